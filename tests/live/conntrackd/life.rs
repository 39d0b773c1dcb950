//! How the daemon begins and ends.

use std::fs;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;

use super::world::{self, Rights};
use super::{Place, signal, support, until};

#[test]
fn one_daemon_alone_runs_and_a_kill_leaves_nothing_to_clean_up() {
    let Some(place) = Place::new("one_daemon") else { return };
    let first = place.daemon(&[]);
    let socket = fs::metadata(place.path("sock")).unwrap();
    assert!(socket.file_type().is_socket());
    assert_eq!(socket.permissions().mode() & 0o777, 0o600);
    let second = place.ask(&["--foreground"]);
    let lock = place.path("sock.lock");
    let wanted = format!("conntrackd: {lock}: another daemon is running and holds this lock\n");
    assert_eq!((second.status, second.stderr), (1, wanted));
    // A second one with a lock of its own does not take the socket of the first.
    let config = place.path("conf");
    fs::write(&config, format!("General {{ LockFile {} }}", place.path("lock2"))).unwrap();
    let second = place.ask(&["-C", &config]);
    assert_eq!(second.status, 1);
    assert!(second.stderr.ends_with("/sock: another daemon listens there\n"), "{second:?}");
    assert_eq!(place.ask(&["-s"]).status, 0);
    // Dropping it is a kill -9.
    drop(first);
    let gone = place.ask(&["-s"]);
    assert_eq!(gone.status, 1);
    let wanted = "Connection refused (no daemon is running: conntrackd -d starts one)\n";
    assert!(gone.stderr.ends_with(wanted), "{gone:?}");
    let mut third = place.daemon(&[]);
    signal(third.pid(), Signal::TERM);
    assert_eq!(third.end(), 0);
    assert!(!fs::exists(place.path("sock")).unwrap() && !fs::exists(&lock).unwrap());
}

#[test]
fn the_background_is_ready_when_the_command_ends() {
    let Some(place) = Place::new("background") else { return };
    place.flows(4000, 10);
    assert_eq!(place.ask(&["-d"]).clean(), "");
    // The one process that the test did not start itself: its number is in the lock.
    let pid: u32 =
        fs::read_to_string(place.path("sock.lock")).unwrap_or_default().trim().parse().unwrap_or(0);
    let ask = || place.ask(&["-s", "--shell"]);
    let answer = ask();
    assert!(answer.stdout.starts_with("FLOWS_ACTIVE=\"10\"\n"), "{answer:?}");
    assert_eq!(place.ask(&["-d"]).status, 1);
    assert_eq!(place.ask(&["-k"]).clean(), "");
    assert!(!fs::exists(place.path("sock")).unwrap());
    if pid > 0 {
        until("its end", || !fs::exists(format!("/proc/{pid}")).unwrap());
    }
    assert_eq!(ask().status, 1);
    assert_eq!(place.ask(&["-k"]).status, 1);
}

#[test]
fn who_may_not_is_told_why() {
    let Some(place) = Place::new("who_may_not") else { return };
    let socket = place.path("sock");
    let words = ["conntrackd", "--foreground", "--socket", &socket];
    let ran = place.world.connbox_as(Rights::Nobody, &words);
    let wanted = "conntrackd: ctnetlink: Operation not permitted (needs CAP_NET_ADMIN)\n";
    assert_eq!((ran.status, ran.stderr.as_str()), (1, wanted));
    let _daemon = place.daemon(&[]);
    let ran = place.world.connbox_as(Rights::Nobody, &["conntrackd", "--socket", &socket, "-s"]);
    let wanted = format!(
        "conntrackd: {socket}: Permission denied (needs to run as the daemon's user or as root)\n"
    );
    assert_eq!((ran.status, ran.stderr), (1, wanted));
}

#[test]
fn one_capability_is_enough() {
    let Some(place) = Place::new("one_capability") else { return };
    if !support::needs("one_capability", &["setpriv"]) {
        return;
    }
    // Where the user may go, unlike to the folder of the build.
    let binary = place.path("connbox");
    fs::copy(world::connbox(), &binary).unwrap();
    std::os::unix::fs::chown(&place.folder, Some(65534), Some(65534)).unwrap();
    let socket = place.path("sock");
    let rights = ["--inh-caps", "-all,+net_admin", "--ambient-caps", "-all,+net_admin"];
    let user = ["--reuid", "65534", "--regid", "65534", "--clear-groups", "--no-new-privs"];
    let bound = ["--bounding-set", "-all,+net_admin"];
    let run = [binary.as_str(), "conntrackd", "--foreground", "--socket", &socket];
    let words = [&user[..], &rights, &bound, &run].concat();
    let mut daemon = place.world.running_with(Path::new("setpriv"), &[], &words);
    until("the daemon answers", || {
        assert_eq!(daemon.has_ended(), None);
        place.ask(&["-s"]).status == 0
    });
    place.flows(4000, 3);
    until("the flows", || place.number("flows", "active") == 3);
    // Twice what was asked for, beyond net.core.rmem_max.
    assert_eq!(place.number("events", "buffer_bytes"), 4 << 20);
}

#[test]
fn a_place_that_others_may_write_is_refused() {
    let Some(place) = Place::new("others_may_write") else { return };
    let open = place.path("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    let socket = format!("{open}/sock");
    let ran = place.world.connbox(&["conntrackd", "--foreground", "--socket", &socket]);
    let wanted =
        format!("conntrackd: {open}: others may write there and could replace the socket\n");
    assert_eq!((ran.status, ran.stderr), (1, wanted));
    fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
    std::os::unix::fs::chown(&open, Some(65534), None).unwrap();
    let ran = place.world.connbox(&["conntrackd", "--foreground", "--socket", &socket]);
    assert!(ran.stderr.contains("belongs to another user"), "{ran:?}");
    // What is no socket is not removed.
    fs::write(place.path("sock"), "precious").unwrap();
    let ran = place.ask(&["--foreground"]);
    assert!(ran.stderr.ends_with("/sock: exists and is not a socket\n"), "{ran:?}");
    assert_eq!(fs::read_to_string(place.path("sock")).unwrap(), "precious");
}

/// What systemd would hear till the daemon's end, each kind once.
fn heard(systemd: &UnixDatagram, kinds: &mut Vec<String>, wanted: &str) {
    let mut bytes = [0; 512];
    while !kinds.iter().any(|kind| kind == wanted) {
        let length = systemd.recv(&mut bytes).unwrap_or_else(|error| panic!("{wanted}: {error}"));
        let text = String::from_utf8(bytes[..length].to_vec()).unwrap();
        let kind = text.split('\n').next().unwrap().to_owned();
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
}

#[test]
fn systemd_is_told() {
    let Some(place) = Place::new("systemd_is_told") else { return };
    let path = place.path("notify");
    let name = format!("connbox-notify-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    for (socket, systemd) in [
        (path.clone(), UnixDatagram::bind(&path).unwrap()),
        // Abstract names are those of a network namespace.
        (format!("@{name}"), place.world.inside(|| UnixDatagram::bind_addr(&address).unwrap())),
    ] {
        systemd.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let environment = [("NOTIFY_SOCKET", socket.as_str()), ("WATCHDOG_USEC", "200000")];
        let mut daemon = place.daemon_with(&environment, &[]);
        let mut kinds = Vec::new();
        heard(&systemd, &mut kinds, "WATCHDOG=1");
        assert_eq!(kinds, ["READY=1", "WATCHDOG=1"]);
        kinds.clear();
        heard(&systemd, &mut kinds, "WATCHDOG=1");
        signal(daemon.pid(), Signal::HUP);
        heard(&systemd, &mut kinds, "RELOADING=1");
        kinds.retain(|kind| kind != "READY=1");
        heard(&systemd, &mut kinds, "READY=1");
        signal(daemon.pid(), Signal::INT);
        heard(&systemd, &mut kinds, "STOPPING=1");
        assert_eq!(daemon.end(), 0);
    }
}

#[test]
fn an_existing_configuration_is_read() {
    let Some(place) = Place::new("existing_configuration") else { return };
    let config = place.path("conf");
    let (lock, socket) = (place.path("lock"), place.path("other"));
    let text = format!(
        "# Debian's\nGeneral {{\n HashSize 8192\n HashLimit 65535\n Syslog on\n LockFile {lock}\n \
         UNIX {{\n  Path {socket}\n  Backlog 20\n }}\n SocketBufferSize 262142\n \
         SocketBufferSizeMaxGrown 655355\n Systemd on\n}}\nSync {{ Mode FTFW {{ }}\n}}\nStats {{\n \
         LogFile {}\n}}\n",
        place.path("log")
    );
    fs::write(&config, text).unwrap();
    let ask =
        |words: &[&str]| place.world.connbox(&[&["conntrackd", "-C", &config], words].concat());
    let ran = ask(&["-d"]);
    let wanted = format!(
        "conntrackd: {config}: skipped, has no meaning here: HashSize (line 3), Syslog (line 5), \
         Backlog (line 9), Systemd (line 13), Sync (line 15)\n"
    );
    assert_eq!((ran.status, ran.stderr), (0, wanted));
    let runtime = ask(&["-s", "runtime"]).clean();
    assert!(runtime.contains("current buffer size (in bytes):\t      262142\n"), "{runtime}");
    assert!(fs::exists(&lock).unwrap() && fs::exists(&socket).unwrap());
    assert_eq!(ask(&["-k"]).clean(), "");
    fs::write(&config, "General {\n HashLimt 5\n}\n").unwrap();
    let ran = ask(&["-s"]);
    let wanted = format!("conntrackd: {config}:2: no such keyword here: HashLimt\n");
    assert_eq!((ran.status, ran.stderr), (1, wanted));
}
