//! The licence of every crate that is linked into the binary.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::package::done;
use crate::support;

fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What cargo knows of this package and the crates that it needs on Linux, whatever the machine.
fn metadata() -> Value {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--format-version", "1", "--locked", "--offline"]);
    cargo.args(["--filter-platform", "x86_64-unknown-linux-gnu"]).current_dir(home());
    serde_json::from_slice(&done(&mut cargo).stdout).unwrap()
}

/// The crates, without this one: name, version, licence, and the folder of its source.
fn crates() -> Vec<[String; 4]> {
    let metadata = metadata();
    let text = |package: &Value, key: &str| package[key].as_str().unwrap().to_owned();
    let row =
        |package| ["name", "version", "license", "manifest_path"].map(|key| text(package, key));
    let mut rows: Vec<_> = metadata["packages"].as_array().unwrap().iter().map(row).collect();
    rows.retain(|row| row[0] != env!("CARGO_PKG_NAME"));
    rows.sort();
    assert!((5..=20).contains(&rows.len()), "{rows:?}");
    rows
}

/// All crates may be used under the MIT licence, whose text names the authors.
#[test]
fn the_packages_have_the_licence_of_every_crate() {
    let (mut list, mut texts) = (String::new(), BTreeMap::<String, Vec<String>>::new());
    for [name, version, licence, manifest] in crates() {
        assert!(licence.split(" OR ").any(|one| one == "MIT"), "{name} is under {licence}");
        list += &format!("{name} {version} ({licence})\n");
        let folder = Path::new(&manifest).parent().unwrap();
        let read = |file: &&str| std::fs::read_to_string(folder.join(file)).ok();
        let text = ["LICENSE-MIT", "LICENSE"].iter().find_map(read);
        let text = text.unwrap_or_else(|| panic!("{name} has no text of its licence"));
        texts.entry(text.trim().replace('\r', "")).or_default().push(name);
    }
    let mut all = format!(
        "The crates that connbox is linked from, with the licences that they offer. connbox uses all under the MIT\n\
         licence, whose text follows as each crate has it. (CONNBOX_BLESS=1 cargo test --test house licences)\n\n{list}"
    );
    let mut texts: Vec<_> =
        texts.into_iter().map(|(text, names)| (names.join(", "), text)).collect();
    texts.sort();
    for (names, text) in texts {
        all += &format!("\n--- {names}\n\n{text}\n");
    }
    support::same_as_file("contrib/debian/crates.txt", &all);
}

#[test]
fn debians_copyright_names_every_crate() {
    let text = std::fs::read_to_string(home().join("contrib/debian/copyright")).unwrap();
    let names: Vec<String> = crates().into_iter().map(|[name, ..]| name).collect();
    let stanza = format!("Files: {}\nCopyright: ", names.join(" "));
    assert!(text.contains(&stanza), "no stanza has exactly: {stanza}");
}

#[test]
fn the_bill_of_materials_has_every_crate() {
    if !support::needs("the_bill_of_materials_has_every_crate", &["jq"]) {
        return;
    }
    let input = support::scratch::scratch("bill").join("metadata.json");
    std::fs::write(&input, metadata().to_string()).unwrap();
    let mut jq = Command::new("jq");
    jq.args(["--rawfile", "lock", "Cargo.lock", "-f", ".ci/sbom.jq"]).arg(&input);
    let bill: Value = serde_json::from_slice(&done(jq.current_dir(home())).stdout).unwrap();
    assert_eq!((&bill["bomFormat"], &bill["specVersion"]), (&"CycloneDX".into(), &"1.5".into()));
    let own = &bill["metadata"]["component"];
    assert_eq!(
        (&own["name"], &own["version"]),
        (&"connbox".into(), &env!("CARGO_PKG_VERSION").into())
    );
    let components = bill["components"].as_array().unwrap();
    let named = components.iter().map(|one| {
        let sum = one["hashes"][0]["content"].as_str().unwrap_or_default();
        assert_eq!(sum.len(), 64, "{one}");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        [text(&one["name"]), text(&one["version"]), text(&one["licenses"][0]["expression"])]
    });
    let wanted = crates().into_iter().map(|[name, version, licence, _]| [name, version, licence]);
    let mut named: Vec<_> = named.collect();
    named.sort();
    assert_eq!(named, wanted.collect::<Vec<_>>());
    // What is needed by what refers to these.
    let nodes = bill["dependencies"].as_array().unwrap();
    assert_eq!(nodes.len(), components.len() + 1);
    assert!(nodes.iter().all(|node| node["ref"].is_string() && node["dependsOn"].is_array()));
}
