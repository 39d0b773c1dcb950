//! What `connbox --textfile` writes, all the way to its use: node_exporter reads the file, prometheus scrapes
//! node_exporter and evaluates the alert rules and the dashboard of `contrib/`.

use crate::support;

use crate::support::scratch;

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use scratch::scratch;
use support::CONNBOX;

/// How long one step may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `look` returns something.
fn wait<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "not seen in time: {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// A server that this test starts, and that ends with it.
struct Server {
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Starts a program. It dies with the thread that started it, even if that is killed.
    fn start(program: &str, arguments: &[String], log: PathBuf) -> Server {
        let file = File::create(&log).unwrap();
        let mut command = support::command("setpriv");
        command.args(["--pdeathsig", "KILL", program]).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
        Server { child: command.spawn().unwrap(), log }
    }

    /// The address on which it listens, from its log: it chose the port itself.
    fn address(&mut self) -> SocketAddr {
        wait("an address", || {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "ended with {ended:?}: {log}");
            let line = log.lines().find(|line| line.contains("msg=\"Listening on\""))?;
            line.split("address=").nth(1)?.trim().parse().ok()
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The body of a page. A server that listens may not be ready yet; then it answers 503.
fn get(server: SocketAddr, path: &str) -> String {
    wait(path, || {
        let answer = ask(server, path);
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        match head.split(' ').nth(1) {
            Some("200") => Some(body.to_owned()),
            Some("503") => None,
            _ => panic!("{path}: {answer}"),
        }
    })
}

/// A server's answer in HTTP/1.0, which has no chunks.
fn ask(server: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {server}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// The answer of prometheus to an expression, as JSON.
fn query(prometheus: SocketAddr, expression: &str) -> String {
    let mut escaped = String::new();
    for byte in expression.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => escaped.push(char::from(byte)),
            _ => write!(escaped, "%{byte:02X}").unwrap(),
        }
    }
    let answer = get(prometheus, &format!("/api/v1/query?query={escaped}"));
    assert!(answer.starts_with("{\"status\":\"success\""), "{expression}: {answer}");
    answer
}

/// The values of the series in an answer.
fn values(answer: &str) -> Vec<f64> {
    let parts = answer.split("\"value\":[").skip(1);
    parts.map(|part| part.split('"').nth(1).unwrap().parse().unwrap()).collect()
}

/// A saved kernel in which every series has a number and some alerts are due.
fn world(directory: &Path) -> PathBuf {
    let root = directory.join("world");
    let saved = support::world("own-lab-6.18").join("proc/net");
    fs::create_dir_all(root.join("proc/net")).unwrap();
    for entry in fs::read_dir(saved).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), root.join("proc/net").join(entry.file_name())).unwrap();
    }
    for (file, text) in [
        ("net/ipv4/tcp_max_orphans", "4\n"),
        ("net/ipv4/tcp_max_tw_buckets", "131072\n"),
        ("net/ipv4/tcp_mem", "100\t200\t400\n"),
        ("net/ipv4/udp_mem", "100\t200\t400\n"),
        ("net/netfilter/nf_conntrack_count", "260000\n"),
        ("net/netfilter/nf_conntrack_max", "262144\n"),
    ] {
        let path = root.join("proc/sys").join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    root
}

/// A textfile of the world, in its own directory.
fn textfile(directory: &Path) -> (PathBuf, String) {
    let target = directory.join("textfile");
    fs::create_dir(&target).unwrap();
    let file = target.join("connbox.prom");
    let mut command = support::command(CONNBOX);
    let output =
        command.env("CONNBOX_ROOT", world(directory)).arg("--textfile").arg(&file).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // As contrib/kubernetes/pods writes it, on a machine that has pods.
    let pods = "connbox_conncount_matching_sockets{pod=\"web\",container=\"app\",state=\"CLOSE_WAIT\"} 3\n";
    fs::write(target.join("pods.prom"), pods).unwrap();
    (target, fs::read_to_string(file).unwrap())
}

fn node_exporter(directory: &Path, textfiles: &Path) -> Server {
    let arguments = [
        "--web.listen-address=127.0.0.1:0".to_owned(),
        "--collector.disable-defaults".to_owned(),
        "--collector.textfile".to_owned(),
        format!("--collector.textfile.directory={}", textfiles.display()),
    ];
    Server::start("prometheus-node-exporter", &arguments, directory.join("node_exporter.log"))
}

fn prometheus(directory: &Path, exporter: SocketAddr) -> Server {
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/prometheus/connbox.rules.yml");
    let file = directory.join("prometheus.yml");
    let text = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}\n\
         rule_files: ['{}']\n\
         scrape_configs:\n  - job_name: node\n    static_configs: [targets: ['{exporter}']]\n",
        rules.display()
    );
    fs::write(&file, text).unwrap();
    let arguments = [
        format!("--config.file={}", file.display()),
        format!("--storage.tsdb.path={}", directory.join("data").display()),
        "--web.listen-address=127.0.0.1:0".to_owned(),
    ];
    Server::start("prometheus", &arguments, directory.join("prometheus.log"))
}

/// The series and number of each sample of a text.
fn samples(text: &str) -> Vec<(&str, f64)> {
    let lines = text.lines().filter(|line| line.starts_with("connbox_"));
    lines.map(|line| line.rsplit_once(' ').unwrap()).map(|(s, n)| (s, n.parse().unwrap())).collect()
}

/// The expressions of the dashboard, with the values that Grafana would insert.
fn dashboard() -> Vec<String> {
    let mut jq = support::command("jq");
    jq.args(["-r", ".panels[].targets[].expr", "contrib/grafana/connbox.json"]);
    let output = jq.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let text = text.replace("$instance", ".*").replace("$__rate_interval", "1m");
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_second_file_cannot_hide_a_failure() {
    let test = "a_second_file_cannot_hide_a_failure";
    if !support::needs(test, &["prometheus-node-exporter"]) {
        return;
    }
    let directory = scratch(test);
    let (textfiles, _) = textfile(&directory);
    let mut command = support::command(CONNBOX);
    command.env("CONNBOX_ROOT", "/nonexistent").arg("--textfile").arg(textfiles.join("other.prom"));
    assert_eq!(command.arg("conncount").output().unwrap().status.code(), Some(1));
    let mut exporter = node_exporter(&directory, &textfiles);
    let page = get(exporter.address(), "/metrics");
    assert!(page.contains("\nnode_textfile_scrape_error 0\n"), "{page}");
    for (name, success) in [("connbox", 1), ("other", 0)] {
        let file = textfiles.join(name).with_extension("prom");
        let file = file.display();
        let labels = format!("{{applet=\"conncount\",file=\"{file}\"}}");
        let line = format!("\nconnbox_collect_success{labels} {success}\n");
        assert!(page.contains(&line), "{line}{page}");
    }
}

#[test]
fn our_series_arrive_in_prometheus() {
    let test = "our_series_arrive_in_prometheus";
    let programs = ["prometheus", "prometheus-node-exporter", "setpriv", "jq"];
    if !support::needs(test, &programs) {
        return;
    }
    let directory = scratch(test);
    let (textfiles, text) = textfile(&directory);
    let mut exporter = node_exporter(&directory, &textfiles);
    let exporter_at = exporter.address();
    let page = get(exporter_at, "/metrics");
    assert!(page.contains("\nnode_textfile_scrape_error 0\n"), "{page}");
    assert!(page.contains("connbox.prom\"} "), "{page}");

    let mut prometheus = prometheus(&directory, exporter_at);
    let at = prometheus.address();
    wait("a second scrape", || {
        let answer =
            query(at, "count_over_time(connbox_collect_success{applet=\"conncount\"}[1h])");
        values(&answer).first().is_some_and(|count| *count >= 2.0).then_some(())
    });
    let samples = samples(&text);
    assert!(samples.len() > 60, "{text}");
    for (series, number) in samples {
        assert_eq!(values(&query(at, series)), [number], "{series}");
    }
    for (series, number) in [
        ("connbox_tcp_sockets{state=\"CLOSE_WAIT\"}", 5.0),
        ("connbox_conncount_sockets{name=\"estab\"}", 17.0),
        ("connbox_sockstat_limit_used_ratio{item=\"orphan\"}", 0.5),
        ("connbox_conntrack_entries", 260_000.0),
        ("sum(connbox_collect_success)", 5.0),
    ] {
        assert_eq!(values(&query(at, series)), [number], "{series}");
    }
    for expression in dashboard() {
        assert!(!values(&query(at, &expression)).is_empty(), "{expression}: nothing to draw");
    }
    alerts(at);
}

/// The rules are evaluated, and the alerts due in this world are pending.
fn alerts(prometheus: SocketAddr) {
    let due = [
        "ConnboxConntrackFull",
        "ConnboxConntrackNearlyFull",
        "ConnboxOrphanPressure",
        "ConnboxTcpMemoryPressure",
    ];
    let answer = wait("alerts", || {
        let answer = query(prometheus, "count by (alertname) (ALERTS)");
        due.iter().all(|alert| answer.contains(&format!("\"{alert}\""))).then_some(answer)
    });
    assert_eq!(values(&answer), [1.0; 4], "{answer}");
    let rules = get(prometheus, "/api/v1/rules");
    assert_eq!(rules.matches("\"health\":\"ok\"").count(), 9, "{rules}");
    assert!(!rules.contains("\"lastError\""), "{rules}");
}
