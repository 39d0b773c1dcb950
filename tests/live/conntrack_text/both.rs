//! Both programs on one table, and what the original gets wrong.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ChildStdout;

use connbox::model::{SCTP_STATES, TCP_STATES};

use crate::world::{Ran, Resident, Router, World, at_a_quiet_point, connbox};

/// The names of the labels that the router sets, except 77.
const LABELS: &str = "1 one\n3 three of them\n127 last\n";

/// A router, and a directory with label names to be mounted as /etc; removed with the value.
pub struct Bench {
    pub router: Router,
    etc: PathBuf,
}

impl Bench {
    pub fn new(test: &str) -> Option<Bench> {
        let router = World::router(test)?;
        let etc = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("etc-{test}"));
        fs::create_dir_all(etc.join("xtables")).unwrap();
        fs::write(etc.join("xtables/connlabel.conf"), LABELS).unwrap();
        Some(Bench { router, etc })
    }

    /// The words after `unshare` that run a command with the directory as /etc.
    fn words<'a>(&'a self, command: &[&'a str], words: &[&'a str]) -> Vec<&'a str> {
        let mount = ["-m", "sh", "-c", "mount --bind \"$0\" /etc && exec \"$@\""];
        [&mount[..], &[self.etc.to_str().unwrap()], command, words].concat()
    }

    /// The result of a program in the router's namespace.
    fn ran(&self, command: &[&str], words: &[&str]) -> Ran {
        self.router.ran("unshare", &self.words(command, words))
    }

    /// Starts both programs: their standard outputs, and their processes.
    pub fn running(&self, words: &[&str]) -> [(ChildStdout, Resident); 2] {
        let ours = [connbox().to_str().unwrap(), "conntrack"];
        [&["conntrack"][..], &ours]
            .map(|command| self.router.running("unshare", &self.words(command, words)))
    }

    /// The result of Debian's conntrack.
    pub fn theirs(&self, words: &[&str]) -> Ran {
        self.ran(&["conntrack"], words)
    }

    /// The result of our conntrack.
    pub fn ours(&self, words: &[&str]) -> Ran {
        self.ran(&[connbox().to_str().unwrap(), "conntrack"], words)
    }

    /// Both results for a user in this time zone.
    pub fn both_in(&self, tz: &str, words: &[&str]) -> (Ran, Ran) {
        let tz = format!("TZ={tz}");
        let ours = ["env", &tz, connbox().to_str().unwrap(), "conntrack"];
        let theirs = || Ok(self.ran(&["env", &tz, "conntrack"], words));
        at_a_quiet_point(theirs, || self.ran(&ours, words))
    }

    /// Both results for the same table.
    pub fn both(&self, words: &[&str]) -> (Ran, Ran) {
        at_a_quiet_point(|| Ok(self.theirs(words)), || self.ours(words))
    }

    /// Asserts that both give the same text, apart from what the original gets wrong; returns it.
    pub fn same(&self, words: &[&str], form: Form) -> String {
        let (mut theirs, ours) = self.both(words);
        if form == Form::Xml && words.contains(&"-G") {
            theirs.stdout.push_str("</conntrack>\n");
        }
        assert_eq!((theirs.status, &theirs.stderr), (ours.status, &ours.stderr), "{words:?}");
        assert_eq!(theirs.stdout.lines().count(), ours.stdout.lines().count(), "{words:?}");
        for (theirs, ours) in theirs.stdout.lines().zip(ours.stdout.lines()) {
            assert_eq!(corrected(theirs, form), ours, "{words:?}");
        }
        assert_eq!(theirs.stdout.ends_with('\n'), ours.stdout.ends_with('\n'), "{words:?}");
        ours.stdout
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.etc);
    }
}

/// The form in which flows are shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Line,
    Xml,
    Save,
}

/// A line of conntrack without its errors.
pub fn corrected(line: &str, form: Form) -> String {
    let is = |name: &str| line.starts_with(name) || line.contains(&format!(" {name} "));
    match form {
        Form::Line if is("dccp") => line.replace(" sport=0 dport=0", ""),
        Form::Line if line.ends_with(" labels") => format!("{line}="),
        Form::Xml if line.contains("protoname=\"dccp\"") => {
            line.replace("<sport>0</sport><dport>0</dport>", "")
        }
        Form::Xml if line.contains("protoname=\"sctp\"") => {
            let (before, rest) = line.split_once("<state>").unwrap();
            let (state, after) = rest.split_once('<').unwrap();
            let number = TCP_STATES.iter().position(|name| *name == state).unwrap();
            format!("{before}<state>{}<{after}", SCTP_STATES[number])
        }
        Form::Save => line.replace("--state (null)", "--state HEARTBEAT_SENT"),
        _ => line.to_owned(),
    }
}
