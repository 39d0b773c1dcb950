//! The folder of a sosreport, or one like it: which of its files hold what an applet reads.
//!
//! sos keeps copies of /proc and the output of commands, in files that are named after the commands:
//! `sos_commands/networking/ss_-peaonmi`, `ip_netns_exec_NAME_netstat_-s`.

use std::cmp::Reverse;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::sys;
use crate::wire::saved::command::Command;
use crate::wire::saved::{Form, Known};

/// What stands in for the name of the machine's own namespace.
pub const HOST: &[u8] = b"host";

/// A namespace that has this name itself.
const NAMED_HOST: &[u8] = b"/run/netns/host";

/// Where sos keeps output, below its folder.
const FOLDERS: [&str; 2] = ["sos_commands/networking", "sos_commands/conntrack"];
/// Newer versions have a folder for each namespace below this one.
const NAMESPACES: &str = "sos_commands/networking/namespaces";

/// The output of a command.
#[derive(Debug)]
struct Saved {
    path: PathBuf,
    /// The namespace it was run in, [`HOST`] for the machine's own.
    namespace: Vec<u8>,
    /// The command, with `_` for blanks.
    command: Vec<u8>,
}

/// The files of a folder that an applet reads.
#[derive(Debug, Default)]
pub struct Files {
    pub paths: Vec<PathBuf>,
    /// Copies of /proc/net beside them that are empty or cannot be read.
    pub empty: Vec<PathBuf>,
    /// What the names of some of them say of the commands that made them.
    pub commands: Vec<(PathBuf, Command)>,
    /// What is to be said about others, which it would have read before.
    pub skipped: Vec<String>,
}

/// Who reads.
#[derive(Clone, Copy, Debug)]
pub struct Reader {
    pub applet: &'static str,
    /// Whether it is conntrack, and its table of expectations is asked for.
    pub is_of_expectations: bool,
}

impl Reader {
    /// What it is called.
    fn name(self) -> &'static str {
        if self.is_of_expectations { "conntrack -L expect" } else { self.applet }
    }

    /// Whether a command, with `_` for blanks, is one of conntrack's that lists what is asked for.
    fn has_listed(self, command: &[u8]) -> bool {
        let is_of_expectations = command.split(|byte| *byte == b'_').any(|word| word == b"expect");
        command.starts_with(b"conntrack_-L") && is_of_expectations == self.is_of_expectations
    }
}

/// Where to look for what an applet reads.
enum Find<'a> {
    /// Copies of files of /proc/net.
    Proc(&'a [&'a str]),
    /// The output of a command.
    Output(&'a dyn Fn(&[u8]) -> bool),
}

/// A folder and the output in it.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
    all: Vec<Saved>,
}

impl Folder {
    /// Lists a folder.
    ///
    /// # Errors
    /// If a folder in it cannot be listed.
    pub fn open(root: &Path) -> Result<Folder, Error> {
        let mut folders: Vec<PathBuf> = FOLDERS.iter().map(|name| root.join(name)).collect();
        folders.extend(list(&root.join(NAMESPACES))?);
        let mut all = Vec::new();
        for folder in folders {
            all.extend(list(&folder)?.into_iter().filter_map(Saved::of));
        }
        all.sort_by(|one: &Saved, other| one.path.cmp(&other.path));
        Ok(Folder { root: root.to_owned(), all })
    }

    /// The namespaces of which there is output, the machine's own first.
    pub fn namespaces(&self) -> Vec<Vec<u8>> {
        let others = self.all.iter().map(|saved| saved.namespace.clone());
        let mut all: Vec<_> = others.filter(|name| name != HOST).collect();
        all.sort();
        all.dedup();
        all.insert(0, HOST.to_vec());
        all
    }

    /// The files that an applet reads of a namespace: of several that tell the same, one.
    ///
    /// # Errors
    /// If there is none.
    pub fn files(&self, reader: Reader, namespace: &[u8]) -> Result<Files, Error> {
        let applet = reader.applet;
        let begins =
            |with: &'static str| move |command: &[u8]| command.starts_with(with.as_bytes());
        let is_list = |command: &[u8]| reader.has_listed(command);
        // Of the tools' tables first those that show processes.
        let is_ss = |command: &[u8]| {
            Form::Ss.is_for(applet) && begins("ss_-")(command) && has(command, b'p')
        };
        let is_netstat = |command: &[u8]| {
            Form::Netstat.is_for(applet) && begins("netstat_-")(command) && has(command, b'p')
        };
        let (is_nstat, is_statistics) = (begins("nstat_"), begins("netstat_-s"));
        let mut files = Files::default();
        let finds = match applet {
            // The kernel's own files of expectations show neither masks nor masters.
            _ if reader.is_of_expectations => vec![Find::Output(&is_list)],
            "conntrack" => vec![
                Find::Output(&is_list),
                Find::Proc(&["nf_conntrack"]),
                Find::Proc(&["ip_conntrack"]),
            ],
            "snmpget-tcp" => vec![
                Find::Proc(&["snmp", "netstat"]),
                Find::Output(&is_nstat),
                Find::Output(&is_statistics),
            ],
            _ => {
                self.add_proc(&["sockstat", "sockstat6", "snmp", "netstat"], namespace, &mut files);
                let tables = Find::Proc(&["tcp", "tcp6", "udp", "udp6"]);
                vec![Find::Output(&is_ss), Find::Output(&is_netstat), tables]
            }
        };
        // The first one that is there is taken, and the others are not looked at.
        finds.into_iter().any(|find| match find {
            Find::Proc(names) => self.add_proc(names, namespace, &mut files),
            Find::Output(wanted) => self.add_output(wanted, namespace, reader, &mut files),
        });
        match files.paths.is_empty() {
            false => Ok(files),
            true => Err(self.nothing(reader, namespace, &files.skipped)),
        }
    }

    /// Adds those of the copies of /proc/net that are there; gives whether any is.
    fn add_proc(&self, names: &[&str], namespace: &[u8], files: &mut Files) -> bool {
        let paths = names.iter().map(|name| self.root.join("proc/net").join(name));
        let paths = paths.filter(|path| namespace == HOST && path.exists());
        let (full, empty): (Vec<_>, Vec<_>) = paths.partition(|path| has_text(path));
        let is_any = !full.is_empty();
        files.paths.extend(full);
        // Where none has text, something else is read.
        files.empty.extend(empty.into_iter().filter(|_| is_any));
        is_any
    }

    /// Adds the output of a command that is wanted, of those that begin as one that the applet reads: the one whose
    /// command lists most, the first of several. Gives whether there is one.
    fn add_output(
        &self,
        wanted: &dyn Fn(&[u8]) -> bool,
        namespace: &[u8],
        reader: Reader,
        files: &mut Files,
    ) -> bool {
        let is_wanted = |saved: &&Saved| {
            saved.namespace == namespace && wanted(&saved.command) && has_text(&saved.path)
        };
        let mut wanted: Vec<_> = self.all.iter().filter(is_wanted).collect();
        wanted.sort_by_key(|saved| Reverse(saved.parsed().map(|command| command.breadth())));
        let mut wanted = wanted.into_iter();
        let found = wanted.find(|saved| is_read(&saved.path, reader, &mut files.skipped));
        if let Some(saved) = found {
            files.paths.push(saved.path.clone());
            files.commands.extend(saved.parsed().map(|command| (saved.path.clone(), command)));
        }
        found.is_some()
    }

    fn nothing(&self, reader: Reader, namespace: &[u8], skipped: &[String]) -> Error {
        let places = "below proc/net, sos_commands/networking and sos_commands/conntrack";
        let (name, namespace) = (reader.name(), String::from_utf8_lossy(namespace));
        let mut reason =
            format!("holds nothing that {name} reads of the namespace {namespace}, {places}");
        for text in skipped {
            reason += "; ";
            reason += text;
        }
        Error::failed(self.root.as_os_str().as_bytes(), reason)
    }
}

/// Whether one of a command's options has a letter: `netstat_-W_-neopa` has p.
fn has(command: &[u8], letter: u8) -> bool {
    let options = command.split(|byte| *byte == b'_').filter(|word| word.starts_with(b"-"));
    options.into_iter().any(|option| option.contains(&letter))
}

impl Saved {
    /// What the command says, if it is one of ss or netstat.
    fn parsed(&self) -> Option<Command> {
        let command = String::from_utf8_lossy(&self.command).replace('_', " ");
        let mut command = Command::parse(&command).ok()?;
        command.is_of_name = true;
        Some(command)
    }

    /// Reads the name of a file; `None` if it is not the output of a command that connbox knows.
    fn of(path: PathBuf) -> Option<Saved> {
        const COMMANDS: [&[u8]; 4] = [b"ss_-", b"netstat_-", b"nstat_", b"conntrack_-"];
        let name = path.file_name()?.as_bytes();
        let (namespace, command) = match name.strip_prefix(b"ip_netns_exec_") {
            None => (HOST, name),
            Some(rest) => {
                let is_command = |place: &usize| {
                    let after = rest.get(place + 1..).unwrap_or_default();
                    rest.get(*place) == Some(&b'_')
                        && COMMANDS.iter().any(|command| after.starts_with(command))
                };
                let place = (1..rest.len()).find(is_command)?;
                let name = rest.get(..place)?;
                (if name == HOST { NAMED_HOST } else { name }, rest.get(place + 1..)?)
            }
        };
        let is_known = COMMANDS.iter().any(|known| command.starts_with(known));
        let (namespace, command) = (namespace.to_vec(), command.to_vec());
        is_known.then_some(Saved { path, namespace, command })
    }
}

/// The entries of a folder; none if there is no such folder.
fn list(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    sys::entries(folder).map_err(|error| Error::system(folder.as_os_str().as_bytes(), error))
}

/// Whether a file is there and not empty, as copies of /proc may be.
fn has_text(path: &Path) -> bool {
    sys::open_file(path).is_ok_and(|file| sys::file_size(file) > 0)
}

/// How much of a text is looked at to see which one it is.
const LOOKED_AT: usize = 64 << 10;

/// Whether a text begins as one that an applet reads: a command may have failed, and its message is all there is.
fn is_read(path: &Path, reader: Reader, skipped: &mut Vec<String>) -> bool {
    let mut buffer = Vec::with_capacity(LOOKED_AT);
    let file = sys::open_file(path);
    let is_there = file.is_ok_and(|file| sys::read_at(&file, &mut buffer, 0).is_ok());
    let begins = |text: &[u8]| match reader.is_of_expectations {
        true => Known::begins_with_expectations(text),
        false => Known::begins_for(text, reader.applet),
    };
    let is_read = is_there && begins(&buffer);
    if !is_read {
        let (path, name) = (path.display(), reader.name());
        skipped.push(format!("{path}: skipped: it does not begin as a text that {name} reads"));
    }
    is_read
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_tell_command_and_namespace() {
        let of = |name: &str| {
            let saved = Saved::of(PathBuf::from(name))?;
            let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
            Some(format!("{} {}", text(saved.namespace), text(saved.command)))
        };
        for (name, wanted) in [
            ("a/ss_-peaonmi", "host ss_-peaonmi"),
            ("a/ip_netns_exec_blue_ss_-peaonmi", "blue ss_-peaonmi"),
            ("a/ip_netns_exec_host_ss_-peaonmi", "/run/netns/host ss_-peaonmi"),
            ("a/ip_netns_exec_a_b_netstat_-W_-neopa", "a_b netstat_-W_-neopa"),
            ("a/ip_netns_exec_blue_conntrack_-L_-o_extended", "blue conntrack_-L_-o_extended"),
            ("a/nstat_-zas", "host nstat_-zas"),
        ] {
            assert_eq!(of(name).as_deref(), Some(wanted), "{name}");
        }
        for name in
            ["a/ip_-d_address", "a/ip_netns_exec_blue_ip_route", "a/ip_netns_exec_", "a/ss", ""]
        {
            assert_eq!(of(name), None, "{name}");
        }
        assert!(has(b"netstat_-W_-neopa", b'p') && !has(b"netstat_-agn", b'p'));
    }
}
