//! `contrib/`: the program that reads each file accepts it, and each file names only things that exist.

use crate::support;

use crate::support::scratch;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use connbox::applet::{self, APPLETS};
use connbox::out::{Column, Kind};
use scratch::{names_in, scratch};
use support::CONNBOX;

fn contrib(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib").join(file)
}

fn read(file: &str) -> String {
    fs::read_to_string(contrib(file)).unwrap()
}

/// The output of a program that must succeed.
fn accepted(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{command:?}: {said}");
    said
}

/// The words of `text` that could be the name of a metric and begin with `start`.
fn words<'a>(text: &'a str, start: &str) -> BTreeSet<&'a str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | ':')));
    words.filter(|word| word.starts_with(start)).collect()
}

/// The metrics that a column gives: a level among counters is a gauge.
fn metrics(column: &Column) -> Vec<String> {
    let gauge = format!("connbox_{}", column.metric);
    match column.kind {
        Kind::Counter => vec![format!("{gauge}_total"), gauge],
        Kind::Gauge => vec![gauge],
        Kind::Fixed | Kind::Label => Vec::new(),
    }
}

#[test]
fn every_metric_that_is_named_is_one_that_is_written() {
    let columns = APPLETS.iter().flat_map(|applet| applet.columns);
    let known: BTreeSet<_> = columns.chain(&connbox::textfile::COLUMNS).flat_map(metrics).collect();
    for file in [
        "grafana/connbox.json",
        "prometheus/connbox.rules.yml",
        "prometheus/connbox.test.yml",
        "prometheus/connbox-fleet.rules.yml",
        "prometheus/connbox-fleet.test.yml",
    ] {
        let text = read(file);
        let named = words(&text, "connbox_");
        assert!(named.len() >= 4, "{file}: {named:?}");
        for name in named {
            assert!(known.contains(name), "contrib/{file}: no applet gives {name}");
        }
    }
}

#[test]
fn the_test_of_names_would_notice() {
    let text = "rate(connbox_x_total[5m]) / on (a) connbox_y{connbox=\"1\"} > xconnbox_z";
    assert_eq!(words(text, "connbox_"), BTreeSet::from(["connbox_x_total", "connbox_y"]));
}

#[test]
fn the_dashboard_is_json_and_every_panel_draws_something() {
    if !support::needs("the_dashboard_is_json_and_every_panel_draws_something", &["jq"]) {
        return;
    }
    let filter = ".panels | (length > 5) and all(.title != \"\" and (.targets | length > 0) \
                  and all(.targets[]; .expr | test(\"connbox_\"))) \
                  and ([.[].id] | unique | length) == length";
    let both = ["grafana/connbox.json", "grafana/connbox-fleet.json"].map(contrib);
    let mut jq = support::command("jq");
    assert_eq!(accepted(jq.args(["-r", filter]).args(&both)), "true\ntrue\n");
    // Two panels in the same place would overlap.
    let filter = "[.panels[].gridPos | range(.x; .x + .w) as $x | range(.y; .y + .h) as $y \
                  | [$x, $y]] | (unique | length) == length and all(.[0] < 24)";
    let mut jq = support::command("jq");
    assert_eq!(accepted(jq.args(["-r", filter]).args(&both)), "true\ntrue\n");
    // What the fleet's panels draw is recorded, or is the label of the rule.
    let (panels, rules) =
        (read("grafana/connbox-fleet.json"), read("prometheus/connbox-fleet.rules.yml"));
    let named: BTreeSet<_> = ["job_cluster", "instance:"]
        .into_iter()
        .flat_map(|start| words(&panels, start))
        .filter(|word| word.contains(":connbox_"))
        .collect();
    assert!(named.len() >= 10, "{named:?}");
    for name in named {
        assert!(rules.contains(&format!("- record: {name}\n")), "no rule records {name}");
    }
}

/// The columns of a table in SQL: the first words of indented lines.
fn columns_of(sql: &str) -> BTreeSet<&str> {
    let lines = sql.lines().filter_map(|line| line.strip_prefix("    "));
    lines.filter_map(|line| line.split(' ').next()).filter(|word| !word.starts_with("--")).collect()
}

#[test]
fn tables_of_databases_have_columns_that_are_written() {
    let applet = APPLETS.iter().find(|applet| applet.name == "conntrackd").unwrap();
    let log: BTreeSet<_> = applet.columns.iter().map(|column| column.name).collect();
    let table = read("collectors/clickhouse.sql");
    let added = |name: &str| ["host", "time"].contains(&name);
    let unknown: Vec<_> =
        columns_of(&table).into_iter().filter(|name| !added(name) && !log.contains(name)).collect();
    assert_eq!(unknown, [""; 0]);
    // pmacct's names for what is aggregated.
    let config = read("collectors/nfacctd.conf");
    let (_, aggregate) = config.split_once("aggregate[flows]: ").unwrap();
    let table = read("collectors/postgresql.sql");
    let columns = columns_of(&table);
    for name in aggregate.lines().next().unwrap().split(", ") {
        let column = match name {
            "src_host" => "ip_src",
            "dst_host" => "ip_dst",
            "src_port" => "port_src",
            "dst_port" => "port_dst",
            "proto" => "ip_proto",
            "post_nat_src_host" => "post_nat_ip_src",
            "post_nat_dst_host" => "post_nat_ip_dst",
            "post_nat_src_port" => "post_nat_port_src",
            "post_nat_dst_port" => "post_nat_port_dst",
            other => other,
        };
        assert!(columns.contains(column), "{column}");
    }
}

#[test]
fn promtool_accepts_the_rules_and_their_tests() {
    if !support::needs("promtool_accepts_the_rules_and_their_tests", &["promtool"]) {
        return;
    }
    for name in ["connbox", "connbox-fleet"] {
        let [rules, tests] = ["rules", "test"].map(|kind| format!("{name}.{kind}.yml"));
        for words in [["check", "rules", &rules], ["test", "rules", &tests]] {
            let mut promtool = support::command("promtool");
            let said = accepted(promtool.args(words).current_dir(contrib("prometheus")));
            assert!(said.contains("SUCCESS"), "{said}");
        }
        // Each alert has a test.
        let [rules, tests] = [rules, tests].map(|file| read(&format!("prometheus/{file}")));
        for alert in rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
            let expected = format!("alertname: {alert}\n        exp_alerts:");
            assert!(tests.contains(&expected), "no test expects {alert}");
        }
    }
}

/// The systemd units, changed to run the program under test, in their own directory.
fn units(test: &str) -> PathBuf {
    let directory = scratch(test);
    for unit in names_in(&contrib("systemd")) {
        let text = read(&format!("systemd/{unit}")).replace("/usr/bin/connbox", CONNBOX);
        fs::write(directory.join(unit), text).unwrap();
    }
    directory
}

#[test]
fn systemd_accepts_the_units() {
    if !support::needs("systemd_accepts_the_units", &["systemd-analyze", "systemd-sysusers"]) {
        return;
    }
    let directory = units("systemd");
    let units =
        ["connbox-textfile.service", "connbox-textfile.timer", "connbox-conntrackd.service"];
    for unit in units {
        let mut verify = support::command("systemd-analyze");
        verify.args(["verify", "--man=no"]).arg(directory.join(unit));
        assert_eq!(accepted(&mut verify), "", "{unit}");
    }
    // The exposure level in tenths, from 0 to 100: 13 and 11 with systemd 252.
    for (unit, most) in [("connbox-textfile.service", 15), ("connbox-conntrackd.service", 13)] {
        let mut security = support::command("systemd-analyze");
        let threshold = format!("--threshold={most}");
        security.args(["security", "--offline=yes", "--no-pager", &threshold]);
        accepted(security.arg(directory.join(unit)));
    }
    let mut sysusers = support::command("systemd-sysusers");
    let said = accepted(sysusers.arg("--dry-run").arg(directory.join("connbox.sysusers.conf")));
    assert!(!said.contains("Failed") && !said.contains("ignor"), "{said}");
}

/// A directory that every user may enter, unlike that of the build; removed when the value is dropped.
struct Open(PathBuf);

impl Open {
    fn make(name: &str) -> Open {
        let name = format!("connbox-{name}-{}", std::process::id());
        let open = Open(std::env::temp_dir().join(name));
        fs::create_dir(&open.0).unwrap();
        fs::set_permissions(&open.0, fs::Permissions::from_mode(0o755)).unwrap();
        open
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Creates the user and node_exporter's directory below `root` from the files for systemd, and returns the user
/// ID.
fn prepare(root: &Path) -> String {
    fs::create_dir_all(root.join("etc")).unwrap();
    fs::create_dir_all(root.join("var/lib")).unwrap();
    let option = format!("--root={}", root.display());
    let users = contrib("systemd/connbox.sysusers.conf");
    accepted(support::command("systemd-sysusers").arg(&option).arg(users));
    let users = fs::read_to_string(root.join("etc/passwd")).unwrap();
    let user = users.lines().find(|line| line.starts_with("connbox:")).unwrap();
    let id = user.split(':').nth(2).unwrap().to_owned();
    // User names are looked up outside the root.
    let text =
        read("systemd/connbox.tmpfiles.conf").replace("user:connbox:", &format!("user:{id}:"));
    let file = root.join("etc/tmpfiles.conf");
    fs::write(&file, text).unwrap();
    let said = accepted(support::command("systemd-tmpfiles").args([&option, "--create"]).arg(file));
    assert_eq!(said, "");
    id
}

#[test]
fn the_user_of_the_service_and_no_other_may_write_its_file() {
    let test = "the_user_of_the_service_and_no_other_may_write_its_file";
    if !support::needs(test, &["root", "setpriv", "cp", "systemd-sysusers", "systemd-tmpfiles"]) {
        return;
    }
    let open = Open::make("service");
    let binary = open.0.join("connbox");
    accepted(Command::new("cp").arg(CONNBOX).arg(&binary));
    let id = prepare(&open.0);
    let directory = open.0.join("var/lib/prometheus/node-exporter");
    let line = read("systemd/connbox-textfile.service");
    let line = line.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    let line = line
        .replace("/usr/bin/connbox", binary.to_str().unwrap())
        .replace("/var/lib/prometheus/node-exporter", directory.to_str().unwrap());
    let run_as = |id: &str| {
        let mut command = support::command("setpriv");
        command.args([
            "--no-new-privs",
            "--clear-groups",
            "--bounding-set=-all",
            "--inh-caps=-all",
        ]);
        command.args(["--reuid", id, "--regid", id]).args(line.split(' ')).output().unwrap()
    };
    let nobody = run_as("65534");
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("Permission denied"), "{nobody:?}");
    // The second run replaces the file of the first.
    for _ in 0..2 {
        let output = run_as(&id);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(names_in(&directory), ["connbox.prom"]);
    let file = directory.join("connbox.prom");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o644);
    let text = fs::read_to_string(file).unwrap();
    let success = "connbox_collect_success{applet=\"conncount\",file=\"/";
    let success = text.lines().find_map(|line| line.strip_prefix(success)).unwrap();
    assert!(success.ends_with("/connbox.prom\"} 1"), "{text}");
}

#[test]
fn the_line_of_cron_works() {
    if !support::needs("the_line_of_cron_works", &["sh"]) {
        return;
    }
    let directory = scratch("cron");
    let text = read("cron/connbox");
    let line = text.lines().find(|line| line.starts_with('*')).unwrap();
    let fields: Vec<_> = line.splitn(7, ' ').collect();
    assert_eq!(fields[..6], ["*", "*", "*", "*", "*", "root"]);
    // cron takes a percent sign for the end of the command.
    assert!(!fields[6].contains('%'));
    let command = fields[6]
        .replace("/usr/bin/connbox", CONNBOX)
        .replace("/var/lib/prometheus/node-exporter", directory.to_str().unwrap());
    assert_eq!(accepted(support::command("sh").args(["-c", &command])), "");
    let mode = fs::metadata(directory.join("connbox.prom")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o644);
}

fn user() -> String {
    support::shell("id -un").trim().to_owned()
}

#[test]
fn icinga_accepts_the_check_command() {
    if !support::needs("icinga_accepts_the_check_command", &["icinga2"]) {
        return;
    }
    let directory = scratch("icinga2");
    for name in ["lib", "cache", "log", "run"] {
        fs::create_dir(directory.join(name)).unwrap();
    }
    let config = directory.join("icinga2.conf");
    let text = format!(
        "include <itl>\ninclude \"{}\"\n\
         object Host \"h\" {{ check_command = \"dummy\"; vars.connbox = true }}\n",
        contrib("icinga2/connbox.conf").display()
    );
    fs::write(&config, text).unwrap();
    let mut icinga = support::command("icinga2");
    icinga.args(["daemon", "-C", "-c"]).arg(config);
    let define = |name: &str, value: String| format!("{name}={value}");
    for (name, folder) in
        [("DataDir", "lib"), ("CacheDir", "cache"), ("LogDir", "log"), ("InitRunDir", "run")]
    {
        icinga.args(["-D", &define(name, directory.join(folder).display().to_string())]);
    }
    icinga.args(["-D", &define("RunAsUser", user())]);
    icinga.args(["-D", &define("RunAsGroup", support::shell("id -gn").trim().to_owned())]);
    let said = accepted(&mut icinga);
    // The example applies, too.
    assert!(said.contains("Instantiated 1 Service."), "{said}");
    assert!(!said.contains("warning/"), "{said}");
}

/// Calls of the check commands for Nagios.
const CHECKS: [&str; 3] = [
    "check_network_connections!established!5000!10000",
    "check_network_connections_rule!conntrack_percent!80!95",
    "check_network_connections_health",
];

/// An object definition of Nagios.
fn object(kind: &str, lines: &[&str]) -> String {
    format!("define {kind} {{\n{}\n}}\n", lines.join("\n"))
}

#[test]
fn nagios_accepts_the_commands() {
    if !support::needs("nagios_accepts_the_commands", &["nagios4"]) {
        return;
    }
    let directory = scratch("nagios");
    let here = directory.display();
    let mut world = object("timeperiod", &["timeperiod_name always", "alias always"]);
    world += &object("command", &["command_name true", "command_line /bin/true"]);
    let checked = ["max_check_attempts 1", "check_period always", "notification_period always"];
    world += &object(
        "contact",
        &[
            "contact_name c",
            "host_notification_commands true",
            "service_notification_commands true",
            "host_notification_period always",
            "service_notification_period always",
        ],
    );
    world += &object("host", &[&["host_name h", "contacts c"], &checked[..]].concat());
    for (place, check) in CHECKS.iter().enumerate() {
        let own = [format!("service_description s{place}"), format!("check_command {check}")];
        let own = ["host_name h", "contacts c", &own[0], &own[1]];
        world += &object("service", &[&own[..], &checked].concat());
    }
    fs::write(directory.join("world.cfg"), world).unwrap();
    let main = format!(
        "cfg_file={}\ncfg_file={here}/world.cfg\nlog_file={here}/nagios.log\n\
         precached_object_file={here}/objects.precache\nobject_cache_file={here}/objects.cache\n\
         check_result_path={here}\nstatus_file={here}/status.dat\ntemp_path={here}\n\
         temp_file={here}/nagios.tmp\nuse_syslog=0\ncheck_external_commands=0\n\
         illegal_macro_output_chars=`~$&|\"<>\nnagios_user={user}\nnagios_group={user}\n",
        contrib("nagios/connbox.cfg").display(),
        user = user()
    );
    fs::write(directory.join("nagios.cfg"), main).unwrap();
    let mut nagios = support::command("nagios4");
    let said = accepted(nagios.arg("-vp").arg(directory.join("nagios.cfg")));
    assert!(said.contains("Total Warnings: 0") && said.contains("Total Errors:   0"), "{said}");
    // Nagios' own view of them: the semicolons are still there.
    let objects = fs::read_to_string(directory.join("objects.precache")).unwrap();
    assert!(objects.contains("--rule='$ARG1$;$ARG2$;$ARG3$'\n"), "{objects}");
    assert!(objects.contains("--rule='SYN_RECV;200;1000' --rule='conntrack_percent;80;95'"));
}

/// The options that the monitoring systems pass to the check.
#[test]
fn the_check_has_the_options_that_are_used() {
    if !support::needs("the_check_has_the_options_that_are_used", &["sh"]) {
        return;
    }
    let (icinga, nagios) = (read("icinga2/connbox.conf"), read("nagios/connbox.cfg"));
    let used: BTreeSet<_> = [&icinga, &nagios]
        .into_iter()
        .flat_map(|text| text.split([' ', '"', '\'', '=', ',']))
        .filter_map(|word| word.strip_prefix("--"))
        .filter(|word| !word.is_empty())
        .collect();
    assert!(used.len() >= 8, "{used:?}");
    // The applet is developed separately.
    let Some(applet) = applet::find("network-connections") else { return };
    for option in used {
        let mut known = applet.options.iter().chain(&connbox::cli::COMMON_DOCS);
        let is_there = known.any(|doc| doc.longs().any(|long| long == option));
        assert!(is_there, "network-connections has no --{option}");
    }
    for check in CHECKS {
        let output = support::command("sh").args(["-c", &command_line(&nagios, check)]).output();
        let output = output.unwrap();
        let said = [output.stdout, output.stderr].concat();
        let status = output.status.code().unwrap();
        assert!((0..=2).contains(&status), "{check}: {status} {}", String::from_utf8_lossy(&said));
    }
}

/// The command line that Nagios runs for a call.
fn command_line(config: &str, check: &str) -> String {
    let mut words = check.split('!');
    let name = words.next().unwrap();
    let (_, rest) = config.split_once(&format!("command_name    {name}\n")).unwrap();
    let line = rest.lines().next().unwrap().trim().strip_prefix("command_line").unwrap();
    let line = line.replace("\\;", ";").replace("/usr/bin/connbox", CONNBOX);
    words
        .enumerate()
        .fold(line, |line, (place, word)| line.replace(&format!("$ARG{}$", place + 1), word))
}
