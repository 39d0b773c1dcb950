//! Names that keys of groups need: those of services, of control groups, and of their pods and containers.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::row::Row;
use crate::error::Error;
use crate::model::Needs;
use crate::source::files::names::Services;
use crate::source::processes::cgroup::{self, Cgroups};
use crate::source::processes::pods::{self, Pods, Which};
use crate::sys::Kernel;

#[derive(Debug, Default)]
pub(super) struct Names {
    kernel: Kernel,
    services: Option<Services>,
    /// The paths of control groups by ID, also of those that have gone since.
    paths: HashMap<u64, Box<[u8]>>,
    has_cgroups: bool,
    pods: Option<Pods>,
    /// `--pods`.
    pods_file: Option<PathBuf>,
    /// The control groups of the processes that hold the connections of the last look, where those of cgroup v1 may
    /// tell the pods.
    of_processes: HashMap<u32, Option<Vec<u8>>>,
    /// Why some control groups have no name here.
    obstacle: Option<String>,
}

/// More control groups than this are forgotten together.
const MOST: usize = 1 << 16;

impl Names {
    /// Reads what `needs` asks for, with the names of pods in a file.
    pub(super) fn read(kernel: &Kernel, needs: Needs, pods: Option<&Path>) -> Result<Names, Error> {
        Ok(Names {
            kernel: kernel.clone(),
            services: needs.has(Needs::SERVICES).then(|| Services::read(kernel)).transpose()?,
            has_cgroups: needs.has(Needs::CGROUPS),
            pods: needs.has(Needs::PODS).then(|| Pods::read(kernel, pods)).transpose()?,
            pods_file: pods.map(Path::to_owned),
            ..Names::default()
        })
    }

    /// Whether pods are in a hierarchy of cgroup v1, which tells processes alone.
    pub(super) fn needs_holders(&self) -> bool {
        self.pods.as_ref().is_some_and(|pods| pods.has_old_groups)
    }

    /// Looks up the control groups of connections that are open.
    pub(super) fn look(&mut self, rows: &[Row]) -> Result<(), Error> {
        self.look_at_processes(rows)?;
        let is_known = |id: &u64| self.paths.contains_key(id);
        let new = rows.iter().filter_map(|row| row.cgroup).filter(|id| !is_known(id));
        let new: Vec<u64> = if self.has_cgroups { new.collect() } else { Vec::new() };
        if new.is_empty() {
            return Ok(());
        }
        if self.paths.len() > MOST {
            self.paths.clear();
        }
        let all = Cgroups::read(&self.kernel)?;
        for id in new {
            let path = match &all {
                Some(all) => all.path(id),
                // Where cgroup2 is not in use, all sockets are in its first group.
                None if id == cgroup::TOP => continue,
                None => None,
            };
            if path.is_none() && self.obstacle.is_none() {
                self.obstacle = cgroup::obstacle(all.as_ref());
            }
            // As ss has it.
            let unreachable = || format!("unreachable:{id:x}").into_bytes().into();
            self.paths.insert(id, path.map_or_else(unreachable, Into::into));
        }
        // A new group may be one of a new pod. Standard input was read.
        let file = self.pods_file.as_deref();
        if self.pods.is_some() && file.is_none_or(|file| file.as_os_str() != "-") {
            self.pods = Some(Pods::read(&self.kernel, file)?);
        }
        Ok(())
    }

    fn look_at_processes(&mut self, rows: &[Row]) -> Result<(), Error> {
        if !self.needs_holders() {
            return Ok(());
        }
        let mut before = std::mem::take(&mut self.of_processes);
        for pid in rows.iter().filter_map(Row::holder).map(|process| process.pid) {
            if !self.of_processes.contains_key(&pid) {
                let known = before.remove(&pid).map(Ok);
                let group = known.unwrap_or_else(|| pods::group_of_process(&self.kernel, pid))?;
                self.of_processes.insert(pid, group);
            }
        }
        Ok(())
    }

    /// The warning if control groups have no name here.
    pub(super) fn gap(&self) -> Option<String> {
        let obstacle = self.obstacle.as_ref()?;
        Some([obstacle, ": they are shown as 'unreachable'"].concat())
    }

    pub(super) fn cgroup(&self, row: &Row) -> Option<&[u8]> {
        self.paths.get(&row.cgroup?).map(|path| &**path)
    }

    /// The pod or container of the row's control group or, if that is of neither, of its process.
    pub(super) fn pod(&self, row: &Row, which: Which) -> Option<Cow<'_, [u8]>> {
        let of_process = || self.of_processes.get(&row.holder()?.pid)?.as_deref();
        let path = match self.cgroup(row) {
            Some(path) if pods::is_home(path) => path,
            path => of_process().or(path)?,
        };
        self.pods.as_ref()?.name(path, which)
    }

    /// The name of the server's port.
    pub(super) fn service(&self, row: &Row) -> Option<&[u8]> {
        self.services.as_ref()?.name(row.server.port, "tcp")
    }
}
