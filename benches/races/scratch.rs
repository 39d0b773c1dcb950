//! The bench's temporary files: fresh copies of the binary, the compiled floors, the large saved
//! table.

use std::env;
use std::error::Error;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, Stdio};

use crate::before;
use crate::contest::BEFORE;

/// The applets that the races run.
const APPLETS: [&str; 9] = [
    "sockstat",
    "tcpstates",
    "snmpget-tcp",
    "conncount",
    "closedcalc",
    "network-connections",
    "tcptrack",
    "conntrack",
    "conntrackd",
];
/// The C programs in `benches/floors`.
const FLOORS: [&str; 8] = ["idle", "files", "states", "full", "port", "peak", "flows", "events"];

/// Two folders, which are removed when this is dropped or the bench ends in any other way.
pub struct Scratch {
    /// On a disk, for programs.
    pub programs: PathBuf,
    /// In memory if possible, for data.
    pub data: PathBuf,
    /// The reason why there are no floors.
    pub no_floors: Option<String>,
    /// The reason why there is no older binary.
    pub no_before: Option<String>,
    janitor: Child,
}

impl Scratch {
    /// Makes the folders and fills the first one.
    pub fn new(binary: &Path) -> Result<Scratch, Box<dyn Error>> {
        let programs = env::temp_dir().join(format!("connbox-races-{}", process::id()));
        let data = memory_folder().join(format!("connbox-races-{}-data", process::id()));
        let janitor = start_janitor(&[&programs, &data])?;
        let mut scratch = Scratch { programs, data, no_floors: None, no_before: None, janitor };
        fs::create_dir(&scratch.programs)?;
        fs::create_dir(&scratch.data)?;
        install(binary, &scratch.programs)?;
        scratch.no_before = scratch.install_before().err();
        scratch.no_floors = scratch.compile_floors().err();
        Ok(scratch)
    }

    /// The path of an applet or a floor, for use as a command.
    pub fn program(&self, name: &str) -> String {
        self.programs.join(name).display().to_string()
    }

    fn install_before(&self) -> Result<(), String> {
        let binary = before::binary(&self.programs)?;
        let folder = self.programs.join(BEFORE);
        let installed = fs::create_dir(&folder).and_then(|()| install(&binary, &folder));
        installed.map_err(|error| format!("{}: {error}", binary.display()))
    }

    /// The older binary's applet for an applet of the new binary; any other word is returned unchanged.
    pub fn before(&self, word: &String) -> String {
        let is_ours = |applet: &&&str| *word == self.program(applet);
        match APPLETS.iter().find(is_ours) {
            Some(applet) => self.programs.join(BEFORE).join(applet).display().to_string(),
            None => word.clone(),
        }
    }

    fn compile_floors(&self) -> Result<(), String> {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/floors");
        for floor in FLOORS {
            let mut cc = Command::new("cc");
            cc.args(["-O2", "-static", "-o"]).arg(self.programs.join(floor));
            cc.arg(sources.join(floor).with_extension("c"));
            let run = cc.output().map_err(|error| format!("cc: {error}"))?;
            if !run.status.success() {
                return Err(format!("cc cannot compile {floor}.c: {}", last_line(&run.stderr)));
            }
        }
        Ok(())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // The janitor cleans up when its standard input ends; wait closes that first.
        let _ = self.janitor.wait();
    }
}

/// Copies the binary, because its place in the page cache alone changes start time by a tenth.
fn install(binary: &Path, folder: &Path) -> io::Result<()> {
    fs::copy(binary, folder.join("connbox"))?;
    APPLETS.iter().try_for_each(|applet| symlink("connbox", folder.join(applet)))
}

/// The last line of a program's output.
pub fn last_line(text: &[u8]) -> String {
    String::from_utf8_lossy(text).lines().last().unwrap_or("no complaint").to_owned()
}

/// A directory in memory: the kernel would write 150 MB back to a disk while they are being read.
fn memory_folder() -> PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory.to_owned() } else { env::temp_dir() }
}

/// Starts this program again as the janitor, because a Drop guard does not run after Ctrl-C or
/// SIGALRM.
fn start_janitor(folders: &[&Path]) -> io::Result<Child> {
    let mut command = Command::new(env::current_exe()?);
    command.arg("--sweep").args(folders).stdin(Stdio::piped()).stdout(Stdio::null());
    // In its own process group it does not get the terminal's Ctrl-C.
    command.process_group(0).spawn()
}

/// The janitor: waits until the bench has ended, then removes its folders.
pub fn sweep(folders: &[String]) -> Result<(), Box<dyn Error>> {
    io::stdin().lock().read_to_end(&mut Vec::new())?;
    for folder in folders {
        // The bench may have failed before it made this folder.
        let _ = fs::remove_dir_all(folder);
    }
    Ok(())
}
