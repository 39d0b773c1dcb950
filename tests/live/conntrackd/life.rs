//! How the daemon starts and ends.

use std::fs;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
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
    // A second daemon with its own lock does not take over the socket of the first.
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

/// Whatever refuses a daemon, the files that it made go with it, and no others.
#[test]
fn a_refused_daemon_leaves_nothing() {
    let Some(place) = Place::new("refused") else { return };
    let files = || -> Vec<_> {
        let mut names: Vec<_> = fs::read_dir(&place.folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    let config = place.path("conf");
    fs::write(&config, "General { HashLimit x }").unwrap();
    let (nowhere, own) = (place.path("no/log"), place.path("own/sock"));
    for words in [&["--log", &nowhere][..], &["-C", &config], &["--log", "/"]] {
        for socket in [&place.path("sock"), &own] {
            for command in ["--foreground", "-d"] {
                let begin = ["conntrackd", command, "--socket", socket];
                let ran = place.world.connbox(&[&begin, words].concat());
                assert_eq!(ran.status, 1, "{words:?} {ran:?}");
                assert_eq!(files(), ["conf"], "{words:?} {ran:?}");
            }
        }
    }
    // What was there before is not its own.
    fs::create_dir(place.path("own")).unwrap();
    fs::write(place.path("own/sock.lock"), "other\n").unwrap();
    let begin = ["conntrackd", "--foreground", "--socket", &own];
    let ran = place.world.connbox(&[&begin[..], &["--log", &nowhere]].concat());
    assert_eq!((ran.status, files()), (1, vec!["conf".to_owned(), "own".to_owned()]));
    assert!(!fs::exists(&own).unwrap());
    assert_eq!(fs::read(place.path("own/sock.lock")).unwrap(), b"other\n");
    // Another daemon's stay where they are.
    let first = place.daemon(&[]);
    fs::write(&config, format!("General {{ LockFile {} }}", place.path("lock2"))).unwrap();
    assert_eq!(place.ask(&["-C", &config]).status, 1);
    assert_eq!(place.ask(&["--foreground"]).status, 1);
    assert_eq!(files(), ["conf", "own", "sock", "sock.lock"]);
    assert_eq!(place.ask(&["-s"]).status, 0);
    drop(first);
}

#[test]
fn the_background_is_ready_when_the_command_ends() {
    let Some(place) = Place::new("background") else { return };
    place.flows(4000, 10);
    assert_eq!(place.ask(&["-d"]).clean(), "");
    // The only process that the test did not start itself: its ID is in the lock.
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
    let Some(mut place) = Place::new("one_capability") else { return };
    if !support::needs("one_capability", &["setpriv"]) {
        return;
    }
    // In a place that the user may enter, unlike the directory of the build.
    let binary = place.path("connbox");
    support::copy_program(world::connbox(), &binary);
    // As systemd does: root asks a daemon to whose user it has given the directory.
    let own = format!("/run/connbox-one_capability-{}", std::process::id());
    fs::create_dir(&own).unwrap();
    std::os::unix::fs::chown(&own, Some(65534), Some(65534)).unwrap();
    let temporary = std::mem::replace(&mut place.folder, own.into());
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
    // Twice the requested size, beyond net.core.rmem_max.
    assert_eq!(place.number("events", "buffer_bytes"), 4 << 20);
    // A directory in which somebody else could have put the daemon's socket says nothing.
    fs::set_permissions(&place.folder, fs::Permissions::from_mode(0o777)).unwrap();
    let ran = place.ask(&["-s"]);
    let wanted = format!(
        "conntrackd: {socket}: user 65534 listens there, and only root and you are trusted\n"
    );
    assert_eq!((ran.status, ran.stderr), (1, wanted));
    fs::remove_dir_all(temporary).unwrap();
}

#[test]
fn a_client_believes_only_root_and_its_own_user() {
    let Some(place) = Place::new("false_daemon") else { return };
    let shared = place.path("st");
    fs::create_dir(&shared).unwrap();
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o1777)).unwrap();
    let theirs = format!("{shared}/theirs");
    let _listeners = place.world.inside_as_nobody(|| {
        fs::create_dir(&theirs).unwrap();
        ["sock", "theirs/sock"].map(|name| UnixListener::bind(format!("{shared}/{name}")).unwrap())
    });
    for directory in [&shared, &theirs] {
        let socket = format!("{directory}/sock");
        for command in ["-s", "-i", "-R", "-k"] {
            let ran = place.world.connbox(&["conntrackd", "--socket", &socket, command]);
            let wanted = format!(
                "conntrackd: {socket}: user 65534 listens there, and only root and you are trusted\n"
            );
            assert_eq!((ran.status, ran.stderr), (1, wanted));
        }
    }
}

#[test]
fn no_part_of_the_path_may_be_in_the_hands_of_others() {
    let Some(place) = Place::new("whole_path") else { return };
    let run =
        |socket: &str| place.world.connbox(&["conntrackd", "--foreground", "--socket", socket]);
    let refused = |socket: &str, directory: &str, reason: &str| {
        let ran = run(socket);
        assert_eq!((ran.status, ran.stderr), (1, format!("conntrackd: {directory}: {reason}\n")));
    };
    let (up, down, link) = (place.path("up"), place.path("up/down"), place.path("up/link"));
    fs::create_dir_all(&down).unwrap();
    std::os::unix::fs::symlink("down", &link).unwrap();
    let mode = |mode| fs::set_permissions(&up, fs::Permissions::from_mode(mode)).unwrap();
    let owner = |owner| std::os::unix::fs::chown(&up, Some(owner), None).unwrap();
    let (socket, linked) = (format!("{down}/sock"), format!("{link}/sock"));
    for shared in [0o777, 0o775, 0o757] {
        mode(shared);
        refused(&socket, &up, "others may write there and could replace the socket");
    }
    owner(65534);
    mode(0o755);
    refused(&socket, &up, "belongs to another user, who could replace the socket");
    refused(&linked, &up, "belongs to another user, who could replace the socket");
    owner(0);
    // Nobody else can rename what is in a sticky directory, but links there are for others to make.
    mode(0o1777);
    refused(&linked, &up, "others may write there, so a link in it is not followed");
    let config = place.path("conf");
    fs::write(&config, format!("General {{ LockFile {link}/lock }}")).unwrap();
    let ran = place.ask(&["-C", &config]);
    assert!(ran.status == 1 && ran.stderr.ends_with("a link in it is not followed\n"), "{ran:?}");
    for (mode_of_up, socket) in [(0o1777, &socket), (0o755, &linked)] {
        mode(mode_of_up);
        let words = ["conntrackd", "--foreground", "--socket", socket];
        let mut daemon = place.world.running_with(world::connbox(), &[], &words);
        until("the daemon answers", || {
            assert_eq!(daemon.has_ended(), None);
            place.world.connbox(&["conntrackd", "--socket", socket, "-s"]).status == 0
        });
        signal(daemon.pid(), Signal::TERM);
        assert_eq!(daemon.end(), 0);
    }
}

#[test]
fn a_lock_with_other_names_is_refused() {
    let Some(place) = Place::new("linked_lock") else { return };
    let (secret, lock) = (place.path("secret"), place.path("sock.lock"));
    fs::write(&secret, "secret").unwrap();
    fs::hard_link(&secret, &lock).unwrap();
    let ran = place.ask(&["--foreground"]);
    let wanted =
        format!("conntrackd: {lock}: has other names: remove it, or choose another lock\n");
    assert_eq!((ran.status, ran.stderr), (1, wanted));
    assert_eq!(fs::read_to_string(&secret).unwrap(), "secret");
    fs::remove_file(&lock).unwrap();
    place.world.tool("mkfifo", &[&lock]);
    let ran = place.ask(&["--foreground"]);
    assert_eq!(ran.stderr, format!("conntrackd: {lock}: is not a regular file\n"));
    // The place reads it when it ends.
    fs::remove_file(&lock).unwrap();
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
    // A file that is not a socket is not removed.
    fs::write(place.path("sock"), "precious").unwrap();
    let ran = place.ask(&["--foreground"]);
    assert!(ran.stderr.ends_with("/sock: exists and is not a socket\n"), "{ran:?}");
    assert_eq!(fs::read_to_string(place.path("sock")).unwrap(), "precious");
}

/// What systemd would receive until the daemon ends, each kind once.
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
        // Abstract names belong to a network namespace.
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
