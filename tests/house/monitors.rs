//! What the real Icinga 2 and Nagios make of the check's performance data.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::scratch::scratch;
use crate::support::{self, CONNBOX};

/// Keys of rules: behind each that has `::` stands one that Icinga 2 could rename.
const KEYS: [&str; 10] = [
    "[state=listen,laddr=::1]",
    "CLOSE_WAIT",
    "[raddr=2001:db8::/32,::2]",
    "tcp6_LISTEN",
    "[laddr=::]",
    "TIME_WAIT",
    "[laddr=::ffff:192.0.2.1]",
    "udp6_NONE",
    "[process=o'neil::x y]",
    "TCP.tw",
];

fn rules() -> Vec<String> {
    KEYS.iter().map(|key| format!("--rule={key}")).collect()
}

/// The labels of performance data.
fn labels(data: &str) -> BTreeSet<String> {
    let (mut labels, mut rest) = (BTreeSet::new(), data);
    while let Some((label, more)) =
        rest.trim_start().strip_prefix('\'').and_then(|rest| rest.split_once("'="))
    {
        labels.insert(label.to_owned());
        rest = more.split_once(' ').map_or("", |(_, rest)| rest);
    }
    labels
}

/// The labels that connbox prints, none of which may be renamed.
fn printed() -> BTreeSet<String> {
    let words = [vec!["network-connections".to_owned()], rules()].concat();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let text = String::from_utf8(support::run(&words).stdout).unwrap();
    let all = labels(text.trim_end().split_once('|').unwrap().1);
    assert_eq!(all.len(), KEYS.len(), "{text}");
    assert!(all.iter().all(|label| !label.contains("::")), "{text}");
    all
}

/// A daemon, or another process, that ends with the test.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A daemon ends its own children if it is asked to end.
        let _ = kill_process(Pid::from_child(&self.0), Signal::TERM);
        let end = Instant::now() + Duration::from_secs(20);
        while Instant::now() < end && matches!(self.0.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A process of the name that one of the rules has.
fn neighbour(directory: &Path) -> Running {
    let program = directory.join("o'neil::x y");
    support::copy_program(support::shell("command -v sleep").trim(), &program);
    Running::start(Command::new(program).arg("300"))
}

fn me() -> [String; 2] {
    ["u", "g"].map(|option| support::shell(&format!("id -{option}n")).trim().to_owned())
}

/// Calls `look` until it gives something.
fn wait<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < end, "never seen: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn icinga_renames_no_series() {
    if !support::needs("icinga_renames_no_series", &["icinga2", "sleep"]) {
        return;
    }
    let directory = scratch("icinga2");
    let _neighbour = neighbour(&directory);
    let graphite = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let command = [vec![CONNBOX.to_owned(), "network-connections".to_owned()], rules()].concat();
    let text = format!(
        "include <itl>\nobject CheckerComponent \"c\" {{}}\n\
         object GraphiteWriter \"g\" {{\nhost = \"127.0.0.1\"\nport = {}\n\
         host_name_template = \"h\"\nservice_name_template = \"s\"\n}}\n\
         object CheckCommand \"connbox\" {{ command = {command:?} }}\n\
         object Host \"h\" {{ check_command = \"dummy\" }}\n\
         object Service \"s\" {{\nhost_name = \"h\"\ncheck_command = \"connbox\"\ncheck_interval = 1\n}}\n",
        graphite.local_addr().unwrap().port()
    );
    fs::write(directory.join("icinga2.conf"), text).unwrap();
    let mut icinga = support::command("icinga2");
    icinga.args(["daemon", "-c"]).arg(directory.join("icinga2.conf"));
    let [user, group] = me();
    icinga.args(["-D", &format!("RunAsUser={user}"), "-D", &format!("RunAsGroup={group}")]);
    for folder in ["DataDir", "CacheDir", "LogDir", "InitRunDir"] {
        fs::create_dir(directory.join(folder)).unwrap();
        icinga.args(["-D", &format!("{folder}={}", directory.join(folder).display())]);
    }
    let _icinga = Running::start(&mut icinga);
    graphite.set_nonblocking(true).unwrap();
    let (wire, _) = wait("Icinga at Graphite's port", || graphite.accept().ok());
    wire.set_nonblocking(false).unwrap();
    wire.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    // What Graphite could take for its own is replaced, and `::` would become a dot.
    let as_written = |label: &String| label.replace([' ', '\\', '/'], "_");
    let printed: BTreeSet<String> = printed().iter().map(as_written).collect();
    let mut seen = BTreeSet::new();
    for line in BufReader::new(wire).lines() {
        let line = line.unwrap();
        let Some(name) = line.strip_prefix("s.perfdata.") else { continue };
        let Some((label, _)) = name.rsplit_once(".value ") else { continue };
        assert!(printed.contains(label), "{line}");
        seen.insert(label.to_owned());
        // The last of a check.
        if label == "TCP.tw" {
            break;
        }
    }
    // A number that cannot be read, for want of rights, is none for Icinga.
    let missing: Vec<_> = printed.difference(&seen).collect();
    assert!(missing.iter().all(|label| label.starts_with("[process")), "{missing:?} {seen:?}");
}

#[test]
fn nagios_keeps_every_label() {
    if !support::needs("nagios_keeps_every_label", &["nagios4", "sleep"]) {
        return;
    }
    let directory = scratch("nagios");
    let _neighbour = neighbour(&directory);
    let words: String =
        rules().iter().map(|rule| format!(" '{}'", rule.replace('\'', "'\\''"))).collect();
    let text = format!(
        "define timeperiod {{\ntimeperiod_name always\nalias always\n{}}}\n\
         define command {{\ncommand_name connbox\ncommand_line {CONNBOX} network-connections{words}\n}}\n\
         define command {{\ncommand_name true\ncommand_line /bin/true\n}}\n\
         define contact {{\ncontact_name c\nhost_notification_commands true\n\
         service_notification_commands true\nhost_notification_period always\n\
         service_notification_period always\n}}\n\
         define host {{\nhost_name h\ncontacts c\nmax_check_attempts 1\ncheck_period always\n\
         notification_period always\n}}\n\
         define service {{\nhost_name h\nservice_description s\ncheck_command connbox\ncontacts c\n\
         max_check_attempts 1\ncheck_interval 1\nretry_interval 1\ncheck_period always\n\
         notification_period always\n}}\n",
        ["sun", "mon", "tues", "wednes", "thurs", "fri", "satur"]
            .map(|day| format!("{day}day 00:00-24:00\n"))
            .concat()
    );
    fs::write(directory.join("world.cfg"), text).unwrap();
    let [user, group] = me();
    let here = directory.display();
    let main = format!(
        "cfg_file={here}/world.cfg\nlog_file={here}/nagios.log\nlock_file={here}/nagios.lock\n\
         object_cache_file={here}/objects.cache\ncheck_result_path={here}\ntemp_path={here}\n\
         status_file={here}/status.dat\ntemp_file={here}/nagios.tmp\ncommand_file={here}/nagios.cmd\n\
         query_socket={here}/nagios.qh\nstate_retention_file={here}/retention.dat\nuse_syslog=0\n\
         interval_length=1\nservice_inter_check_delay_method=n\nmax_service_check_spread=1\n\
         process_performance_data=1\nservice_perfdata_file={here}/perfdata\n\
         service_perfdata_file_template=$SERVICEPERFDATA$\nillegal_macro_output_chars=`~$&|\"<>\n\
         nagios_user={user}\nnagios_group={group}\n"
    );
    fs::write(directory.join("nagios.cfg"), main).unwrap();
    let mut nagios = support::command("nagios4");
    let _nagios = Running::start(nagios.arg(directory.join("nagios.cfg")));
    let data = wait("performance data", || {
        let text = fs::read_to_string(directory.join("perfdata")).ok()?;
        text.split_once('\n').map(|(line, _)| line.to_owned())
    });
    assert_eq!(labels(&data), printed());
}
