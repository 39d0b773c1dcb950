//! The Debian package and the release build: their contents, that the same source gives the same bytes, and
//! that the package can be installed and removed without leaving anything behind.

use crate::support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use connbox::applet::APPLETS;
use connbox::doc::{completions, man};

/// Names of programs in other Debian packages, in /usr/bin or /usr/sbin. Two programs of the same name must not
/// both be on the search path (Debian Policy 10.1), so ours go to /usr/lib/connbox/bin. To check a new name,
/// run this after `apt-file update`: `apt-file search -x '/s?bin/NAME$'`.
const TAKEN: [&str; 5] = ["conntrack", "conntrackd", "sockstat", "tcpstates", "tcptrack"];

/// The lines of Cargo.toml that enclose the generated assets.
const FIRST: &str = "    # Generated from APPLETS and contrib/ by CONNBOX_BLESS=1 cargo test --test house package.\n";
const LAST: &str = "    # End of the generated list.\n";

/// The directory of the project.
fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The name of every link, and its applet.
fn names() -> Vec<(&'static str, &'static str)> {
    let of = |applet: &&'static connbox::frame::Applet| {
        let (name, aliases) = (applet.name, applet.aliases);
        std::iter::once(name).chain(aliases.iter().copied()).map(move |each| (each, name))
    };
    APPLETS.iter().flat_map(of).collect()
}

/// The link that runs an applet under `name`.
fn command_link(name: &str) -> String {
    let directory = if TAKEN.contains(&name) { "usr/lib/connbox/bin" } else { "usr/bin" };
    format!("{directory}/{name}")
}

/// All links of the package, with their targets. A name that another program also uses has no man page or
/// completions from us: they would be taken for those of the other program.
fn links() -> Vec<(String, String)> {
    let mut links = Vec::new();
    for (name, applet) in names() {
        links.push((command_link(name), "/usr/bin/connbox".to_owned()));
        if !TAKEN.contains(&name) {
            let completions = "usr/share/bash-completion/completions";
            let fish = "usr/share/fish/vendor_completions.d";
            links.push((format!("{completions}/{name}"), "connbox".to_owned()));
            links.push((format!("{fish}/{name}.fish"), "connbox.fish".to_owned()));
            let page = format!("connbox-{applet}.1.gz");
            links.push((format!("usr/share/man/man1/{name}.1.gz"), page));
        }
    }
    links
}

/// The destinations of the files in contrib/: units go to systemd's directory and are not enabled; all others
/// are examples to read and to copy.
fn contributed() -> Vec<(String, String)> {
    let files = tree(&home().join("contrib")).into_iter();
    let files = files.filter(|file| home().join("contrib").join(file).is_file());
    let place = |file: PathBuf| {
        let file = file.into_os_string().into_string().unwrap();
        let (folder, name) = file.rsplit_once('/').unwrap_or(("", &file));
        let is_unit = name.ends_with(".service") || name.ends_with(".timer");
        let place = match folder {
            // Whoever enables a unit also installs its user and directory: contrib/README.md.
            "systemd" if is_unit => format!("usr/lib/systemd/system/{name}"),
            _ => format!("usr/share/doc/connbox/examples/{file}"),
        };
        (format!("contrib/{file}"), place)
    };
    // These make the packages and the image.
    let is_ours =
        |file: &PathBuf| ["debian", "rpm", "container"].iter().any(|f| file.starts_with(f));
    files.filter(|file| !is_ours(file)).map(place).collect()
}

/// Cargo.toml cannot read the applet table, so it has a copy, which this test checks.
#[test]
fn cargo_toml_names_every_link_and_contribution() {
    let mut assets = String::new();
    for (place, target) in links() {
        assets += &format!("    {{ dest = \"{place}\", link_name = \"{target}\" }},\n");
    }
    for (file, place) in contributed() {
        assets += &format!("    [\"{file}\", \"{place}\", \"644\"],\n");
    }
    let text = std::fs::read_to_string(home().join("Cargo.toml")).unwrap();
    let (before, rest) = text.split_once(FIRST).expect("the first line of the generated assets");
    let (_, after) = rest.split_once(LAST).expect("the last line of the generated assets");
    support::same_as_file("Cargo.toml", &[before, FIRST, &assets, LAST, after].concat());
}

/// The RPM package makes the links of names that no other package has by a script.
#[test]
fn the_rpm_links_the_free_names_and_has_every_file() {
    let script = std::fs::read_to_string(home().join("contrib/rpm/post-install")).unwrap();
    let (_, words) = script.split_once("--install /usr/bin ").unwrap();
    let linked = words.split(' ').take_while(|word| *word != ">/dev/null");
    let free = names().into_iter().map(|(name, _)| name).filter(|name| !TAKEN.contains(name));
    assert_eq!(linked.collect::<BTreeSet<_>>(), free.collect());
    let text = std::fs::read_to_string(home().join("Cargo.toml")).unwrap();
    let sources: Vec<_> = text.split("{ source = \"").skip(1).collect();
    assert!(sources.len() > 5, "{sources:?}");
    for source in sources {
        let source = Path::new(source.split('"').next().unwrap());
        let (folder, name) = (source.parent().unwrap(), source.file_name().unwrap());
        let ending = name.to_str().unwrap().strip_prefix('*');
        if folder.starts_with("target") {
            continue;
        }
        let files = tree(&home().join(folder)).into_iter();
        let is_it = |file: &PathBuf| match ending {
            Some(ending) => file.to_str().unwrap().ends_with(ending),
            None => file.as_os_str() == name,
        };
        assert!(files.filter(is_it).count() > 0, "{}", source.display());
    }
}

/// The version of a package is that of the first entry in its changelog. What is unreleased in CHANGELOG.md will be the
/// version of Cargo.toml.
#[test]
fn debians_changelog_has_every_release() {
    let text = std::fs::read_to_string(home().join("CHANGELOG.md")).unwrap();
    let (own, heads) = (env!("CARGO_PKG_VERSION"), text.lines());
    let heads: Vec<&str> = heads.filter_map(|line| line.strip_prefix("## ")).collect();
    let releases = heads.iter().filter_map(|head| Some(head.split_once(" - ")?.0));
    let mut releases: Vec<&str> = releases.collect();
    if heads[0] == "Unreleased" && releases.first() != Some(&own) {
        releases.insert(0, own);
    }
    let debian = std::fs::read_to_string(home().join("contrib/debian/changelog")).unwrap();
    let entries: Vec<&str> = debian
        .lines()
        .filter_map(|line| line.strip_prefix("connbox (")?.split_once("-1) "))
        .map(|(version, _)| version)
        .collect();
    assert_eq!(entries, releases);
    assert_eq!(entries[0], own);
}

/// The output of a command that must succeed.
pub(crate) fn done(command: &mut Command) -> Output {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = [&output.stdout[..], &output.stderr].concat();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&text));
    output
}

/// Cargo in `folder`, as a user calls it: from the cargo that runs this test, it only gets the compiler.
fn cargo(folder: &Path, target: &Path) -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(folder).env("CARGO_TARGET_DIR", target);
    for variable in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET", "RUSTC_WRAPPER"]
    {
        cargo.env_remove(variable);
    }
    cargo
}

/// Where the tests of this file build, separately from all other builds.
fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("package")
}

/// The release build, made once.
fn release() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        done(cargo(home(), &target()).args(["build", "--release", "--locked"]));
        target().join("release/connbox")
    })
}

/// The package, made once; None, with a visible skip, if a program for it is missing.
fn package(test: &str, programs: &[&str]) -> Option<&'static Path> {
    static PACKAGE: OnceLock<PathBuf> = OnceLock::new();
    if !support::needs(test, &["cargo-deb", "dpkg"]) || !support::needs(test, programs) {
        return None;
    }
    let package = PACKAGE.get_or_init(|| {
        release();
        let package = target().join("connbox.deb");
        done(cargo(home(), &target()).args(["deb", "--locked", "--output"]).arg(&package));
        package
    });
    Some(package)
}

/// A directory that is removed with the value.
struct Folder(PathBuf);

impl Folder {
    fn new(parent: &Path, name: &str) -> Folder {
        let path = parent.join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
#[ignore = "builds the release once more: before a release"]
fn two_folders_give_the_same_bytes() {
    if !support::needs("two_folders_give_the_same_bytes", &["cp"]) {
        return;
    }
    // Not below this directory: cargo would also read our .cargo/config.toml, and set its flags twice.
    let copy = Folder::new(&std::env::temp_dir(), "connbox-copy");
    let mut cp = Command::new("cp");
    cp.args(["-r", "Cargo.toml", "Cargo.lock", ".cargo", "src", "benches", "tests"]).arg(&copy.0);
    done(cp.current_dir(home()));
    let target = copy.0.join("another target");
    done(cargo(&copy.0, &target).args(["build", "--release", "--locked"]));
    let same =
        std::fs::read(release()).unwrap() == std::fs::read(target.join("release/connbox")).unwrap();
    assert!(same, "the release build depends on the directory");
}

#[test]
fn the_release_is_static_stripped_and_small() {
    if !support::needs("the_release_is_static_stripped_and_small", &["readelf"]) {
        return;
    }
    let bytes = std::fs::metadata(release()).unwrap().len();
    assert!(bytes <= 34 << 17, "{bytes} bytes");
    let output = done(Command::new("readelf").args(["-lSdW"]).arg(release()).env("LC_ALL", "C"));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("GNU_RELRO"), "{text}");
    for foreign in ["INTERP", "(NEEDED)", ".symtab", ".debug"] {
        assert!(!text.contains(foreign), "{foreign} in {text}");
    }
    let home = home().as_os_str().as_encoded_bytes();
    let binary = std::fs::read(release()).unwrap();
    assert!(memchr::memmem::find(&binary, home).is_none(), "the binary holds the build's path");
}

#[test]
fn lintian_has_no_complaint() {
    let Some(package) = package("lintian_has_no_complaint", &["lintian"]) else { return };
    let mut lintian = Command::new("lintian");
    lintian.args(["--no-cfg", "--fail-on", "error,warning", "--tag-display-limit", "0"]);
    let output = done(lintian.arg(package));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(!text.contains("unused-override"), "{text}");
}

/// A root with nothing but a shell, in which dpkg can install.
fn plain_root() -> Folder {
    let root = Folder::new(Path::new(env!("CARGO_TARGET_TMPDIR")), "dpkg-root");
    for directory in ["var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/dpkg/triggers", "bin"] {
        std::fs::create_dir_all(root.0.join(directory)).unwrap();
    }
    std::fs::write(root.0.join("var/lib/dpkg/status"), "").unwrap();
    let libraries = done(Command::new("ldd").arg("/bin/sh"));
    let libraries = String::from_utf8(libraries.stdout).unwrap();
    let words = libraries.split_whitespace().filter(|word| word.starts_with('/'));
    for file in words.chain(["/bin/sh"]) {
        let copy = root.0.join(file.trim_start_matches('/'));
        std::fs::create_dir_all(copy.parent().unwrap()).unwrap();
        support::copy_program(file, copy);
    }
    root
}

/// dpkg, installing into `root`; it installs all files even if the machine's own dpkg excludes some (container
/// images exclude man pages).
fn dpkg(root: &Path) -> Command {
    let mut dpkg = Command::new("dpkg");
    let log = root.join("var/lib/dpkg/log");
    dpkg.arg(format!("--root={}", root.display())).arg(format!("--log={}", log.display()));
    dpkg.args(["--force-depends", "--path-include=/*"]);
    dpkg
}

/// Every path below `root`, except dpkg's own files.
pub(crate) fn tree(root: &Path) -> BTreeSet<PathBuf> {
    let mut open = vec![root.to_path_buf()];
    let mut found = BTreeSet::new();
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.symlink_metadata().unwrap().is_dir() && !path.ends_with("var/lib/dpkg") {
                open.push(path.clone());
            }
            found.insert(path.strip_prefix(root).unwrap().to_path_buf());
        }
    }
    found
}

/// The output of the program inside `root`, run under the name of a link.
fn inside(root: &Path, link: &str, arguments: &[&str]) -> String {
    let mut chroot = Command::new("chroot");
    chroot.arg(root).arg(format!("/{link}")).args(arguments);
    String::from_utf8(done(&mut chroot).stdout).unwrap()
}

#[test]
fn dpkg_installs_it_and_purges_it_without_a_trace() {
    let test = "dpkg_installs_it_and_purges_it_without_a_trace";
    let Some(package) = package(test, &["gzip", "chroot", "ldd"]) else { return };
    if !support::needs(test, &["root"]) {
        return;
    }
    let root = plain_root();
    let before = tree(&root.0);
    done(dpkg(&root.0).arg("--install").arg(package));
    check_commands(&root.0);
    check_documents(&root.0);
    for (file, place) in contributed() {
        let [ours, theirs] = [home().join(&file), root.0.join(place)].map(std::fs::read);
        assert_eq!(ours.unwrap(), theirs.unwrap(), "{file}");
    }
    let etc = tree(&root.0).into_iter().filter(|path| path.starts_with("etc")).count();
    assert_eq!(etc, 0, "something is enabled or configured");
    done(dpkg(&root.0).args(["--purge", "connbox"]));
    assert_eq!(tree(&root.0), before);
}

/// Every link runs its applet, both inside the root, where there is no /proc, and from outside.
fn check_commands(root: &Path) {
    let version = format!("connbox {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(inside(root, "usr/bin/connbox", &["--version"]), version);
    for (name, applet) in names() {
        let link = command_link(name);
        // An applet with the name of another tool has that tool's status after help and version.
        let said = |option: &str| {
            let mut command = Command::new("chroot");
            command.arg(root).arg(Path::new("/").join(&link)).arg(option);
            let output = command.stdin(Stdio::null()).output().unwrap();
            assert_eq!(output.stderr, b"", "{command:?}");
            String::from_utf8(output.stdout).unwrap()
        };
        assert_eq!(said("--version"), version, "{link}");
        let help = said("--help");
        assert_eq!(help, inside(root, "usr/bin/connbox", &["help", applet]), "{link}");
    }
    let total = done(Command::new(root.join("usr/bin/conncount")).args(["-v", "total"]));
    let total = String::from_utf8(total.stdout).unwrap();
    assert!(total.trim_end().parse::<u64>().is_ok(), "{total}");
}

/// Man pages and completions are those of the applet table, under every name that has them.
fn check_documents(root: &Path) {
    let page = |name: &str| {
        let file = root.join(format!("usr/share/man/man1/{name}.1.gz"));
        String::from_utf8(done(Command::new("gzip").arg("-dc").arg(file)).stdout).unwrap()
    };
    let text = |file: &str| std::fs::read_to_string(root.join("usr/share").join(file)).unwrap();
    let script = |shell: &str| completions::script(shell).unwrap();
    assert_eq!(page("connbox"), man::the_box());
    assert_eq!(text("zsh/vendor-completions/_connbox"), script("zsh"));
    for applet in APPLETS {
        assert_eq!(page(&format!("connbox-{}", applet.name)), man::applet(applet));
    }
    for (name, applet) in names().into_iter().filter(|(name, _)| !TAKEN.contains(name)) {
        let applet = connbox::applet::find(applet).unwrap();
        assert_eq!(page(name), man::applet(applet));
        assert_eq!(text(&format!("bash-completion/completions/{name}")), script("bash"));
        assert_eq!(text(&format!("fish/vendor_completions.d/{name}.fish")), script("fish"));
    }
}
