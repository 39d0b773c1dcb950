//! YAML files, read by Python's reader and handed over as JSON.

use std::process::Command;

use serde_json::Value;

use crate::package::done;

/// The documents of a YAML file of the project. Keys without quotes that YAML takes for a truth value (`on`) have the
/// name that they had in the file.
pub(crate) fn documents(file: &str) -> Vec<Value> {
    const READ: &str = "import json, sys, yaml\n\
        class Reader(yaml.SafeLoader): pass\n\
        Reader.yaml_implicit_resolvers = {\n    \
            first: [(tag, form) for tag, form in rows if not tag.endswith(':bool') or first in 'tTfF']\n    \
            for first, rows in yaml.SafeLoader.yaml_implicit_resolvers.items()}\n\
        print(json.dumps(list(yaml.load_all(open(sys.argv[1]), Reader))))";
    let mut python = Command::new("/usr/bin/python3");
    python.args(["-c", READ, file]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let text = done(&mut python).stdout;
    serde_json::from_slice(&text).unwrap()
}

/// The texts of a list; none where there is no list.
pub(crate) fn texts(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}
