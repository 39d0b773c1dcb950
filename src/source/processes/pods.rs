//! Pods and containers: which of them a control group belongs to, and what they are called.
//!
//! The path of a group has the pod's UID and the container's ID, in a shape of the runtime's and of its cgroup driver.
//! Names stand in the links of /var/log/containers, which kubelet makes, and in a list of pods in JSON.

use std::borrow::Cow;
use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::io::Errno;
use serde_json::Value;

use super::cgroup;
use crate::error::Error;
use crate::sys::process::{Proc, readable};
use crate::sys::{self, Kernel};

/// Which pod and container a control group belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Home<'a> {
    /// The UID of the pod, as Kubernetes writes it.
    pub pod: Option<Cow<'a, [u8]>>,
    /// The ID of the container: 64 hexadecimal digits.
    pub container: Option<&'a [u8]>,
}

/// Of a pod or of a container: what is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    Pod,
    Container,
}

impl<'a> Home<'a> {
    /// Reads a path. Of pods in pods and containers in containers, the outermost counts: the others are its own
    /// affair. With a pod, it is the outermost container in the pod.
    pub fn of(path: &'a [u8]) -> Home<'a> {
        let mut home = Home::default();
        let (mut before, mut is_of_kubernetes) = (&b""[..], false);
        // Drivers that do not match give `SLICE:cri-containerd:ID`.
        for part in path.split(|byte| [b'/', b':'].contains(byte)) {
            is_of_kubernetes |= memchr::memmem::find(part, b"kubepods").is_some();
            match pod(part).filter(|_| is_of_kubernetes && home.pod.is_none()) {
                Some(uid) => home = Home { pod: Some(uid), container: None },
                None if home.container.is_none() => home.container = container(before, part),
                None => {}
            }
            before = part;
        }
        home
    }

    fn is_any(&self) -> bool {
        self.pod.is_some() || self.container.is_some()
    }
}

/// The UID in `podUID`, or in `kubepods-burstable-podUID.slice`, where systemd's escapes are undone.
fn pod(part: &[u8]) -> Option<Cow<'_, [u8]>> {
    let uid = match part.strip_suffix(b".slice") {
        Some(slice) => {
            let start = memchr::memmem::rfind(slice, b"-pod")? + b"-pod".len();
            slice.get(start..)?
        }
        None => part.strip_prefix(b"pod")?,
    };
    let is_uid = uid.iter().enumerate().all(|(place, byte)| match place {
        8 | 13 | 18 | 23 if uid.len() == 36 => matches!(byte, b'-' | b'_'),
        _ => byte.is_ascii_hexdigit(),
    });
    // The UID of a static pod is a checksum, without dashes.
    if !is_uid || !matches!(uid.len(), 32 | 36) {
        return None;
    }
    Some(match uid.contains(&b'_') {
        true => uid.iter().map(|byte| if *byte == b'_' { b'-' } else { *byte }).collect(),
        false => Cow::Borrowed(uid),
    })
}

/// The ID in `ID`, `crio-ID` or `docker-ID.scope`, behind the part `before`.
fn container<'a>(before: &[u8], part: &'a [u8]) -> Option<&'a [u8]> {
    const LENGTH: usize = 64;
    let part = part.strip_suffix(b".scope").unwrap_or(part);
    let (runtime, id) = part.split_at_checked(part.len().checked_sub(LENGTH)?)?;
    // Podman's and CRI-O's monitors are outside of the container that they watch.
    let is_monitor = |name: &[u8]| memchr::memmem::find(name, b"conmon").is_some();
    let is_container = (runtime.is_empty() || runtime.ends_with(b"-"))
        && !is_monitor(runtime)
        && !(runtime.is_empty() && (is_monitor(before) || before == b"libpod_parent"));
    (is_container && id.iter().all(u8::is_ascii_hexdigit)).then_some(id)
}

type Names = HashMap<Box<[u8]>, Box<[u8]>>;

/// The names of pods and containers.
#[derive(Debug, Default)]
pub struct Pods {
    /// Of pods, `NAMESPACE/NAME` by UID, and of containers by ID.
    names: Names,
    /// The pods of containers, `NAMESPACE/NAME` by ID.
    pods: Names,
    /// Whether there are hierarchies of cgroup v1, which alone may have the pods.
    pub has_old_groups: bool,
}

/// Where kubelet makes a link for the log of each container.
const LINKS: &str = "var/log/containers";
/// A node has a few hundred pods, of some ten kilobytes each.
const MOST_BYTES: usize = 64 << 20;

impl Pods {
    /// Reads the names, those in `file` after the links. Where there are no links, or they may not be read, they give
    /// no names.
    ///
    /// # Errors
    /// If the file cannot be read or is not a list of pods, or if the system lacks descriptors or memory.
    pub fn read(kernel: &Kernel, file: Option<&Path>) -> Result<Pods, Error> {
        let mut pods = Pods::default();
        let path = kernel.path(LINKS);
        let path = path.as_os_str().as_bytes();
        let links =
            readable(sys::directories::links(path)).map_err(|error| Error::system(path, error))?;
        for [name, target] in links.into_iter().flatten() {
            // A link that is another's gives no name.
            let _ = pods.add_link(&name, &target);
        }
        if let Some(file) = file {
            pods.add_file(file)?;
        }
        let proc = Proc::open(kernel)?;
        let own = readable(proc.own_file("cgroup"));
        let own = own.map_err(|error| proc.error("self/cgroup", error))?.unwrap_or_default();
        let mut lines = own.split(|byte| *byte == b'\n');
        pods.has_old_groups = lines.any(|line| !line.is_empty() && !line.starts_with(b"0:"));
        Ok(pods)
    }

    /// Takes `POD_NAMESPACE_CONTAINER-ID.log`, which leads to `.../NAMESPACE_POD_UID/CONTAINER/0.log`.
    fn add_link(&mut self, name: &[u8], target: &[u8]) -> Option<()> {
        let name = name.strip_suffix(b".log")?;
        let (name, id) = name.split_at_checked(name.len().checked_sub(65)?)?;
        let id = container(b"", id.strip_prefix(b"-")?)?;
        let mut words = name.splitn(3, |byte| *byte == b'_');
        let (pod, namespace, container) = (words.next()?, words.next()?, words.next()?);
        let pod = [namespace, b"/", pod].concat();
        let directory = target.rsplit(|byte| *byte == b'/').nth(2)?;
        let uid = directory.rsplit(|byte| *byte == b'_').next()?;
        self.names.insert(uid.into(), pod.as_slice().into());
        self.add_container(id, &pod, container);
        Some(())
    }

    fn add_container(&mut self, id: &[u8], pod: &[u8], name: &[u8]) {
        self.names.insert(id.into(), name.into());
        self.pods.insert(id.into(), pod.into());
    }

    fn add_file(&mut self, path: &Path) -> Result<(), Error> {
        const SHAPE: &str =
            "is not a list of pods in JSON, as kubectl get pods -A -o json writes it";
        let name = path.as_os_str().as_bytes();
        let text = match path.as_os_str().as_bytes() {
            b"-" => sys::read_all(sys::stdin(), MOST_BYTES),
            _ => sys::open_input(path).and_then(|file| sys::read_all(file, MOST_BYTES)),
        };
        let text = text.map_err(|error| match error {
            Errno::FBIG => Error::failed(name, "is longer than 64 MiB, the most that --pods reads"),
            error => Error::system(name, error),
        })?;
        let list: Value = serde_json::from_slice(&text).map_err(|error| {
            Error::failed([name, format!(":{}", error.line()).as_bytes()].concat(), SHAPE)
        })?;
        let items = list.get("items").and_then(Value::as_array);
        for item in items.ok_or_else(|| Error::failed(name, SHAPE))? {
            self.add_item(item).ok_or_else(|| Error::failed(name, SHAPE))?;
        }
        Ok(())
    }

    fn add_item(&mut self, item: &Value) -> Option<()> {
        const STATUSES: [&str; 3] =
            ["initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"];
        let meta = item.get("metadata")?;
        let word = |key| meta.get(key)?.as_str();
        let pod = [word("namespace")?, "/", word("name")?].concat();
        // The groups of a static pod have its checksum; its UID is that of the copy at the API server.
        let checksum = meta.pointer("/annotations/kubernetes.io~1config.hash");
        for uid in [Some(word("uid")?), checksum.and_then(Value::as_str)].into_iter().flatten() {
            self.names.insert(uid.as_bytes().into(), pod.as_bytes().into());
        }
        for list in STATUSES.iter().filter_map(|key| item.get("status")?.get(*key)?.as_array()) {
            for status in list {
                let word = |key| status.get(key).and_then(Value::as_str);
                // `containerd://ID`; a container that has not started has none.
                let id = word("containerID").and_then(|id| id.split_once("://"));
                if let (Some((_, id)), Some(name)) = (id, word("name")) {
                    self.add_container(id.as_bytes(), pod.as_bytes(), name.as_bytes());
                }
            }
        }
        Some(())
    }

    /// Whether nothing gives a pod or a container a name.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The UID of a group's pod, or the ID of its container, if it has no name.
    pub fn number_of_unnamed<'a>(&'a self, path: &'a [u8], which: Which) -> Option<Cow<'a, [u8]>> {
        self.name(path, which).filter(|name| is_number(which, name))
    }

    /// Whether the pod or container of a group is meant by `word`: its name, that of a pod with or without its
    /// namespace, its UID, or the beginning of its ID, as docker prints it.
    pub fn is_named(&self, path: &[u8], which: Which, word: &[u8]) -> bool {
        let Some(name) = self.name(path, which) else { return false };
        let home = Home::of(path);
        let is_it = match which {
            Which::Pod => {
                home.pod.as_deref() == Some(word)
                    || name.rsplit(|byte| *byte == b'/').next() == Some(word)
            }
            Which::Container => {
                word.len() >= SHORT_ID && home.container.is_some_and(|id| id.starts_with(word))
            }
        };
        is_it || *name == *word
    }

    /// What the pod or container of a group is called: its name, else its UID or ID; `None` for a group of neither. A
    /// group that is not known stays as it is: it may be one of a pod.
    pub fn name<'a>(&'a self, path: &'a [u8], which: Which) -> Option<Cow<'a, [u8]>> {
        if path.starts_with(b"unreachable:") {
            return Some(Cow::Borrowed(path));
        }
        let Home { pod, container } = Home::of(path);
        let find = |names: &'a Names, key: &[u8]| names.get(key).map(|name| Cow::Borrowed(&**name));
        match which {
            Which::Container => {
                let id = container?;
                find(&self.names, id).or(Some(Cow::Borrowed(id)))
            }
            // Of a static pod the list may not have the UID, but its containers.
            Which::Pod => {
                let by_uid = pod.as_deref().and_then(|uid| find(&self.names, uid));
                by_uid.or_else(|| find(&self.pods, container?)).or(pod)
            }
        }
    }
}

/// From how many digits on the beginning of a container's ID means it.
const SHORT_ID: usize = 12;

/// Whether a word can be the UID of a pod, or the ID of a container or the beginning of one: no list need name it.
pub fn is_number(which: Which, word: &[u8]) -> bool {
    match which {
        Which::Pod => pod(&[b"pod", word].concat()).is_some(),
        Which::Container => {
            (SHORT_ID..=64).contains(&word.len()) && word.iter().all(u8::is_ascii_hexdigit)
        }
    }
}

/// Whether a path names a pod or a container.
pub fn is_home(path: &[u8]) -> bool {
    Home::of(path).is_any()
}

/// The control group of a process that tells most of its pod and container; else that of [`cgroup::of_process`].
///
/// # Errors
/// If the system lacks memory or descriptors.
pub fn group_of_process(kernel: &Kernel, pid: u32) -> Result<Option<Vec<u8>>, Error> {
    cgroup::of_process_by(kernel, pid, |path| {
        let home = Home::of(path);
        u8::from(home.pod.is_some()) + 2 * u8::from(home.container.is_some())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const UID: &str = "6b1e7a0c-21d3-4a5f-9c8e-0f1a2b3c4d5e";

    /// A path in which `U` stands for the UID, `S` for that UID as systemd's slices have it, and `I` for the ID.
    fn made(shape: &str) -> String {
        shape.replace('U', UID).replace('S', &UID.replace('-', "_")).replace('I', ID)
    }

    fn read(shape: &str) -> (Option<String>, Option<String>) {
        let path = made(shape);
        let home = Home::of(path.as_bytes());
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (home.pod.as_deref().map(text), home.container.map(text))
    }

    #[test]
    fn every_shape_is_read() {
        let (uid, id) = (Some(UID.to_owned()), Some(ID.to_owned()));
        for (shape, pod, container) in [
            // systemd: burstable, best effort, guaranteed; containerd, CRI-O, Docker.
            (
                "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podS.slice/cri-containerd-I.scope",
                &uid,
                &id,
            ),
            (
                "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-podS.slice/crio-I.scope",
                &uid,
                &id,
            ),
            ("/kubepods.slice/kubepods-podS.slice/docker-I.scope", &uid, &id),
            ("/kubepods.slice/kubepods-podS.slice", &uid, &None),
            ("/kubepods.slice/kubepods-podS.slice/crio-conmon-I.scope", &uid, &None),
            // Below another group, as in kind; systemd or a container in a container has groups of its own.
            (
                "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-podS.slice/cri-containerd-I.scope",
                &uid,
                &id,
            ),
            ("/docker/aaaa/kubelet/kubepods/burstable/podU/I", &uid, &id),
            ("/kubepods/podU/I/system.slice/cron.service", &uid, &id),
            ("/kubepods/podU/I/kubepods/pod00000000-0000-0000-0000-000000000000/a", &uid, &id),
            // cgroupfs.
            ("/kubepods/burstable/podU/I", &uid, &id),
            ("/kubepods/podU/crio-I", &uid, &id),
            ("/kubepods/podU/crio-conmon-I", &uid, &None),
            // Drivers that do not match, and other ends of the tree.
            ("/system.slice/kubepods-burstable-podS.slice:cri-containerd:I", &uid, &id),
            ("/kubepods-burstable-podS.slice:crio:I", &uid, &id),
            ("/kubepods-podS.slice:crio-conmon:I", &uid, &None),
            ("/../../kubepods-podS.slice/cri-containerd-I.scope", &uid, &id),
            ("/../cri-containerd-I.scope", &None, &id),
            // Without Kubernetes.
            ("/system.slice/docker-I.scope", &None, &id),
            ("/docker/I", &None, &id),
            ("/docker/I/init.scope", &None, &id),
            ("/machine.slice/libpod-I.scope/container", &None, &id),
            ("/machine.slice/libpod-conmon-I.scope", &None, &None),
            ("/libpod_parent/libpod-I", &None, &id),
            ("/libpod_parent/I", &None, &None),
            ("/system.slice/web.service/libpod-payload-I", &None, &id),
            ("/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-I.scope", &None, &id),
            (
                "/user.slice/user-1000.slice/user@1000.service/user.slice/nerdctl-I.scope",
                &None,
                &id,
            ),
            // Neither.
            ("/", &None, &None),
            ("", &None, &None),
            ("/system.slice/ssh.service", &None, &None),
            ("/user.slice/podU", &None, &None),
            ("/kubepods/podU0", &None, &None),
            ("/kubepods.slice/kubepods-pod.slice", &None, &None),
            ("/kubepods/pod0123456789abcdef0123456789abcde", &None, &None),
            ("/docker/0I", &None, &None),
            ("/docker/xI", &None, &None),
            ("/docker/I.scope.d", &None, &None),
            ("unreachable:2a", &None, &None),
        ] {
            assert_eq!(read(shape), (pod.clone(), container.clone()), "{shape}");
        }
    }

    /// The UID of a static pod is a checksum.
    #[test]
    fn a_static_pod_is_read() {
        let checksum = "/kubepods/burstable/pod0123456789abcdef0123456789abcdef/I";
        assert_eq!(read(checksum), (Some(ID[..32].to_owned()), Some(ID.to_owned())));
    }

    /// Every cut and every wrong byte of a path is read without a panic, and gives no other pod.
    #[test]
    fn a_damaged_path_names_no_other_pod() {
        let path = made("/kubepods.slice/kubepods-podS.slice/cri-containerd-I.scope").into_bytes();
        for place in 0..path.len() {
            let cut = Home::of(&path[..place]);
            assert!(cut.container.is_none() || place >= path.len() - ".scope".len());
            for byte in [0, b'/', b':', b'x', b'_', 0xff] {
                let mut path = path.clone();
                path[place] = byte;
                let home = Home::of(&path);
                assert!(home.container.is_none_or(|id| id == ID.as_bytes()), "{place} {byte}");
            }
        }
    }

    fn named(pods: &Pods, shape: &str) -> [Option<String>; 2] {
        let path = made(shape);
        let text = |name: Cow<'_, [u8]>| String::from_utf8(name.into_owned()).unwrap();
        [Which::Pod, Which::Container].map(|which| pods.name(path.as_bytes(), which).map(text))
    }

    #[test]
    fn a_word_means_a_name_or_an_id() {
        let mut pods = Pods::default();
        let means = |pods: &Pods, which, word: &str| {
            pods.is_named(made("/kubepods/podU/I").as_bytes(), which, word.as_bytes())
        };
        for (which, word, wanted) in [
            (Which::Pod, UID, true),
            (Which::Pod, &UID[..12], false),
            (Which::Container, ID, true),
            (Which::Container, &ID[..12], true),
            (Which::Container, &ID[..11], false),
        ] {
            assert_eq!(means(&pods, which, word), wanted, "{word}");
        }
        let target = made("/var/log/pods/shop_web-0_U/nginx/0.log");
        let link = made("web-0_shop_nginx-I.log");
        pods.add_link(link.as_bytes(), target.as_bytes()).unwrap();
        for (which, word, wanted) in [
            (Which::Pod, "shop/web-0", true),
            (Which::Pod, "web-0", true),
            (Which::Pod, UID, true),
            (Which::Pod, "shop", false),
            (Which::Pod, "", false),
            (Which::Container, "nginx", true),
            (Which::Container, &ID[..12], true),
            (Which::Container, "web-0", false),
        ] {
            assert_eq!(means(&pods, which, word), wanted, "{word}");
        }
        assert!(!pods.is_named(b"/system.slice", Which::Pod, b""));
    }

    #[test]
    fn names_come_from_links_and_lists() {
        let some = |pod: &str, container: &str| [Some(made(pod)), Some(made(container))];
        let path = "/kubepods/podU/I";
        let mut pods = Pods::default();
        assert_eq!(named(&pods, path), some("U", "I"));
        assert_eq!(named(&pods, "unreachable:2a"), some("unreachable:2a", "unreachable:2a"));
        assert_eq!(named(&pods, "/system.slice"), [None, None]);
        let target = made("/var/log/pods/shop_web-0_U/nginx/0.log");
        for name in
            ["", ".log", "I.log", "-I.log", "a-I.log", "a_b-I.log", "a_b_c_I.log", "a_b_c-I"]
        {
            assert_eq!(pods.add_link(made(name).as_bytes(), target.as_bytes()), None, "{name}");
        }
        assert_eq!(pods.add_link(made("a_b_c-I.log").as_bytes(), b"0.log"), None);
        assert_eq!(named(&pods, path), some("U", "I"));
        let link = made("web-0_shop_nginx-I.log");
        assert_eq!(pods.add_link(link.as_bytes(), target.as_bytes()), Some(()));
        assert_eq!(named(&pods, path), some("shop/web-0", "nginx"));
        // The sandbox of the pod has no link.
        assert_eq!(named(&pods, "/kubepods/podU/"), [Some("shop/web-0".into()), None]);
        let mut pods = Pods::default();
        let item = serde_json::json!({
            "metadata": {"name": "web-0", "namespace": "shop", "uid": UID, "annotations":
                {"kubernetes.io/config.hash": "0123456789abcdef0123456789abcdef"}},
            "status": {"containerStatuses": [
                {"name": "waits"}, {"name": 1, "containerID": "x://y"},
                {"name": "nginx", "containerID": made("containerd://I")}]},
        });
        assert_eq!(pods.add_item(&item), Some(()));
        assert_eq!(named(&pods, path), some("shop/web-0", "nginx"));
        let of_file = "/kubepods/pod0123456789abcdef0123456789abcdef/I";
        assert_eq!(named(&pods, of_file), some("shop/web-0", "nginx"));
        for item in ["1", "{}", r#"{"metadata": {"name": "a", "namespace": "b"}}"#] {
            assert_eq!(pods.add_item(&serde_json::from_str(item).unwrap()), None, "{item}");
        }
    }
}
