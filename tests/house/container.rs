//! `contrib/container`: the archive that the script makes is an OCI image with the contents that the Containerfile
//! names, and its program runs where nothing else is.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::package::{done, tree};
use crate::support::scratch::scratch;
use crate::support::{self, CONNBOX};

fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Makes the image of the program under test.
fn build(archive: &Path) {
    let mut build = Command::new(home().join("contrib/container/build"));
    build.env("SOURCE_DATE_EPOCH", "1700000000").arg(CONNBOX).arg(archive);
    done(&mut build);
}

fn extract(archive: &Path, folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    done(Command::new("tar").args(["--extract", "--file"]).arg(archive).arg("-C").arg(folder));
}

/// The digest of a file, as OCI writes it.
fn digest(file: &Path) -> String {
    let output = done(Command::new("sha256sum").arg(file));
    let text = String::from_utf8(output.stdout).unwrap();
    format!("sha256:{}", text.split(' ').next().unwrap())
}

/// The file that a descriptor names, whose digest and size must be right.
fn blob(image: &Path, descriptor: &Value, kind: &str) -> PathBuf {
    let name = descriptor["digest"].as_str().unwrap();
    let file = image.join("blobs").join(name.replace(':', "/"));
    assert_eq!(digest(&file), name);
    assert_eq!(descriptor["size"], fs::metadata(&file).unwrap().len());
    assert_eq!(descriptor["mediaType"], format!("application/vnd.oci.image.{kind}"));
    file
}

fn json_of(file: &Path) -> Value {
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

/// A root with the files of the image, and nothing else.
pub(crate) fn root_of_image(folder: &Path) -> PathBuf {
    let (archive, image, root) =
        (folder.join("image.tar"), folder.join("image"), folder.join("root"));
    build(&archive);
    extract(&archive, &image);
    let index = json_of(&image.join("index.json"));
    let manifest = json_of(&blob(&image, &index["manifests"][0], "manifest.v1+json"));
    // tar finds out by itself that it is compressed.
    extract(&blob(&image, &manifest["layers"][0], "layer.v1.tar+gzip"), &root);
    root
}

/// The values of an instruction of the Containerfile.
fn instructions(name: &str) -> Vec<String> {
    let text = fs::read_to_string(home().join("contrib/container/Containerfile")).unwrap();
    let lines = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    lines.map(str::to_owned).collect()
}

#[test]
fn the_image_holds_the_program_and_runs_it() {
    let test = "the_image_holds_the_program_and_runs_it";
    if !support::needs(test, &["bash", "tar", "gzip", "sha256sum", "date"]) {
        return;
    }
    let folder = scratch("image");
    let [archive, again] = ["one.tar", "two.tar"].map(|name| folder.join(name));
    build(&archive);
    build(&again);
    assert!(fs::read(&archive).unwrap() == fs::read(&again).unwrap(), "two runs differ");
    let image = folder.join("image");
    extract(&archive, &image);
    assert_eq!(json_of(&image.join("oci-layout")), json!({"imageLayoutVersion": "1.0.0"}));
    let index = json_of(&image.join("index.json"));
    let [manifest] = &index["manifests"].as_array().unwrap()[..] else { panic!("{index}") };
    let tag = &manifest["annotations"]["org.opencontainers.image.ref.name"];
    assert_eq!(tag, env!("CARGO_PKG_VERSION"));
    let (platform, manifest) =
        (&manifest["platform"], json_of(&blob(&image, manifest, "manifest.v1+json")));
    let config = json_of(&blob(&image, &manifest["config"], "config.v1+json"));
    check_config(&config, platform);
    let [layer] = &manifest["layers"].as_array().unwrap()[..] else { panic!("{manifest}") };
    let layer = blob(&image, layer, "layer.v1.tar+gzip");
    let plain = folder.join("layer.tar");
    fs::write(&plain, done(Command::new("gzip").arg("-dc").arg(&layer)).stdout).unwrap();
    assert_eq!(config["rootfs"], json!({"type": "layers", "diff_ids": [digest(&plain)]}));
    let root = folder.join("root");
    extract(&plain, &root);
    check_root(&root);
    run_inside(test, &root);
}

/// What the configuration of the image says is what the Containerfile says.
fn check_config(config: &Value, platform: &Value) {
    assert_eq!(instructions("FROM"), ["scratch"]);
    assert_eq!(json!({"architecture": config["architecture"], "os": config["os"]}), *platform);
    assert_eq!(config["os"], "linux");
    let machine = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    assert_eq!(config["architecture"], machine);
    assert_eq!(config["created"], "2023-11-14T22:13:20Z");
    let config = &config["config"];
    assert_eq!(config["Entrypoint"].to_string(), instructions("ENTRYPOINT")[0]);
    assert_eq!(config["Env"], json!(instructions("ENV")));
    let labels = instructions("LABEL");
    assert_eq!(config["Labels"].as_object().unwrap().len(), labels.len());
    for label in labels {
        let (key, value) = label.split_once('=').unwrap();
        assert_eq!(config["Labels"][key].to_string(), value);
    }
}

/// The layer holds the files that COPY names, and nothing else.
fn check_root(root: &Path) {
    let mut wanted = Vec::new();
    for line in instructions("COPY") {
        let words: Vec<_> = line.split(' ').collect();
        let (to, from) = words.split_last().unwrap();
        for from in from {
            let source = home().join(from);
            let name = source.file_name().unwrap().to_str().unwrap();
            let place = if to.ends_with('/') { format!("{to}{name}") } else { (*to).to_owned() };
            let is_program = *from == "target/release/connbox";
            let source = if is_program { PathBuf::from(CONNBOX) } else { source };
            let copy = root.join(&place[1..]);
            assert!(fs::read(&source).unwrap() == fs::read(&copy).unwrap(), "{place}");
            let mode = fs::metadata(&copy).unwrap().permissions().mode() & 0o7777;
            assert_eq!(mode, if is_program { 0o755 } else { 0o644 }, "{place}");
            wanted.push(PathBuf::from(&place[1..]));
        }
    }
    wanted.sort();
    let files: Vec<_> = tree(root).into_iter().filter(|path| root.join(path).is_file()).collect();
    assert_eq!(files, wanted);
    assert!(wanted.contains(&"usr/bin/connbox".into()));
}

fn run_inside(test: &str, root: &Path) {
    if !support::needs(test, &["root", "chroot"]) {
        return;
    }
    let run = |words: &[&str]| {
        let mut chroot = Command::new("chroot");
        let output = done(chroot.arg(root).arg("/usr/bin/connbox").args(words));
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(run(&["--version"]), support::stdout_of(&["--version"]));
    // Without /proc, the kernel's own socket tables are there.
    let total: u64 = run(&["conncount", "--lport", "1-65535", "-v"]).trim().parse().unwrap();
    assert!(total < 1 << 32);
}

#[test]
fn what_is_no_program_makes_no_image() {
    if !support::needs("what_is_no_program_makes_no_image", &["bash", "tar"]) {
        return;
    }
    let folder = scratch("no_image");
    let mut build = Command::new(home().join("contrib/container/build"));
    let output =
        build.arg("LICENSE").arg(folder.join("x.tar")).current_dir(home()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("LICENSE: not a program"), "{said}");
    assert!(!folder.join("x.tar").exists());
}
