//! Names that keys of groups need: those of services and of control groups.

use std::collections::HashMap;

use super::row::Row;
use crate::error::Error;
use crate::model::Needs;
use crate::source::files::names::Services;
use crate::source::processes::cgroup::{self, Cgroups};
use crate::sys::Kernel;

#[derive(Debug, Default)]
pub(super) struct Names {
    kernel: Kernel,
    services: Option<Services>,
    /// The paths of control groups by ID, also of those that have gone since.
    paths: HashMap<u64, Box<[u8]>>,
    has_cgroups: bool,
    /// Why some control groups have no name here.
    obstacle: Option<String>,
}

/// More control groups than this are forgotten together.
const MOST: usize = 1 << 16;

impl Names {
    /// Reads what `needs` asks for.
    pub(super) fn read(kernel: &Kernel, needs: Needs) -> Result<Names, Error> {
        Ok(Names {
            kernel: kernel.clone(),
            services: needs.has(Needs::SERVICES).then(|| Services::read(kernel)).transpose()?,
            paths: HashMap::new(),
            has_cgroups: needs.has(Needs::CGROUPS),
            obstacle: None,
        })
    }

    /// Looks up the control groups of connections that are open.
    pub(super) fn look(&mut self, rows: &[Row]) -> Result<(), Error> {
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

    /// The name of the server's port.
    pub(super) fn service(&self, row: &Row) -> Option<&[u8]> {
        self.services.as_ref()?.name(row.server.port, "tcp")
    }
}
