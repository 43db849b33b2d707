//! Opening what a path names, but never anything outside the root, whatever links there are and whoever moves things
//! while we look.
//!
//! The heart is [`open_without_links`]: it opens a path only if no part of it is a symlink. The root has none (it is
//! canonical), folded paths climb nowhere, so what it opens is inside. A path with links is resolved first; if the result
//! is inside the root, the resolved path is opened by the same rule, so a link that is put in between is not followed.

use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

/// Neither a FIFO nor a device may hold the thread or become its terminal.
const FLAGS: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// What was found.
#[derive(Debug)]
pub(super) enum Opened {
    /// A regular file.
    File(File, Metadata),
    /// A directory.
    Folder(File),
}

/// Opens `relative` below the canonical path `root`.
///
/// # Errors
/// See [`is_absent`]; also for what lies outside and what is neither file nor directory.
pub(super) fn open(root: &Path, relative: &Path) -> io::Result<Opened> {
    let asked = root.join(relative);
    let file = match open_without_links(&asked) {
        Err(Errno::LOOP) => open_without_links(&resolve(root, &asked)?)?,
        other => other?,
    };
    let metadata = file.metadata()?;
    if metadata.is_file() {
        Ok(Opened::File(file, metadata))
    } else if metadata.is_dir() {
        Ok(Opened::Folder(file))
    } else {
        Err(Errno::NOENT.into())
    }
}

/// Where a path with links leads, if that is inside the root.
pub(super) fn resolve(root: &Path, path: &Path) -> io::Result<PathBuf> {
    let real = fs::canonicalize(path)?;
    if real.starts_with(root) { Ok(real) } else { Err(Errno::NOENT.into()) }
}

/// Whether an error of [`open`] says that nothing is there to be served.
pub(super) fn is_absent(error: &io::Error) -> bool {
    // A socket cannot be opened (ENXIO, elsewhere EOPNOTSUPP), some file systems refuse some names.
    matches!(
        Errno::from_io_error(error),
        Some(
            Errno::NOENT
                | Errno::NOTDIR
                | Errno::LOOP
                | Errno::NAMETOOLONG
                | Errno::NXIO
                | Errno::NODEV
                | Errno::OPNOTSUPP
                | Errno::INVAL
                | Errno::ILSEQ
        )
    )
}

/// Opens `path` if no part of it is a link; ELOOP otherwise.
#[cfg(target_os = "linux")]
fn open_without_links(path: &Path) -> Result<File, Errno> {
    use rustix::fs::{CWD, ResolveFlags, openat2};
    match rustix::io::retry_on_intr(|| openat2(CWD, path, FLAGS, Mode::empty(), ResolveFlags::NO_SYMLINKS)) {
        Ok(file) => Ok(file.into()),
        // Linux before 5.6, and containers whose filter does not know the call.
        Err(Errno::NOSYS | Errno::PERM) => open_and_compare(path),
        Err(error) => Err(error),
    }
}

#[cfg(not(target_os = "linux"))]
fn open_without_links(path: &Path) -> Result<File, Errno> {
    open_and_compare(path)
}

/// The same where the kernel cannot do it in one step: looks, opens, and looks again at what was opened.
fn open_and_compare(path: &Path) -> Result<File, Errno> {
    let io = |error: io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO);
    if fs::canonicalize(path).map_err(io)? != without_end_slash(path) {
        return Err(Errno::LOOP);
    }
    let file = rustix::io::retry_on_intr(|| rustix::fs::open(path, FLAGS | OFlags::NOFOLLOW, Mode::empty()))?;
    let file = File::from(file);
    if is_at(&file, path) { Ok(file) } else { Err(Errno::LOOP) }
}

/// Whether an open file is the one at `path` without any link; also when the system does not tell.
fn is_at(file: &File, path: &Path) -> bool {
    opened_path(file).is_none_or(|opened| opened == without_end_slash(path))
}

/// Joining nothing to the root leaves a slash behind it.
fn without_end_slash(path: &Path) -> PathBuf {
    path.components().collect()
}

/// The path of an open file; `None` where the system does not tell.
#[cfg(target_os = "linux")]
fn opened_path(file: &File) -> Option<PathBuf> {
    use std::os::fd::AsRawFd;
    fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).ok()
}

#[cfg(not(target_os = "linux"))]
fn opened_path(_file: &File) -> Option<PathBuf> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// A root with everything in it that may and may not be served, and a secret beside it.
    fn tree() -> (tempfile::TempDir, PathBuf) {
        let all = tempfile::tempdir().unwrap();
        let base = all.path().canonicalize().unwrap();
        let root = base.join("root");
        fs::create_dir_all(root.join("sub")).unwrap();
        fs::write(base.join("secret"), "secret").unwrap();
        fs::create_dir(base.join("rootless")).unwrap();
        fs::write(base.join("rootless/secret"), "secret").unwrap();
        fs::write(root.join("sub/file"), "inside").unwrap();
        for (target, link) in [
            ("sub/file", "near"),
            ("sub", "sub-link"),
            ("../secret", "out"),
            ("..", "up"),
            ("/", "slash"),
            ("loop", "loop"),
            ("nowhere", "dangling"),
            ("../rootless", "neighbour"),
            ("../root/sub", "out-and-in"),
        ] {
            symlink(target, root.join(link)).unwrap();
        }
        symlink(root.join("sub/file"), root.join("absolute")).unwrap();
        symlink(base.join("secret"), root.join("absolute-out")).unwrap();
        std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, root.join("fifo"), rustix::fs::FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)
            .unwrap();
        (all, root)
    }

    const INSIDE: [&str; 6] = ["sub/file", "near", "sub-link/file", "absolute", "out-and-in/file", "slash/PATH"];
    const ABSENT: [&str; 12] = [
        "out",
        "up/secret",
        "slash/etc/passwd",
        "absolute-out",
        "neighbour/secret",
        "loop",
        "dangling",
        "fifo",
        "socket",
        "nothing",
        "sub/file/x",
        "near/x",
    ];

    #[test]
    fn links_are_followed_inside_the_root_only() {
        let (_all, root) = tree();
        for name in INSIDE {
            // A link to `/` leads inside again by the full path.
            let name = name.replace("PATH", root.join("sub/file").strip_prefix("/").unwrap().to_str().unwrap());
            let found = open(&root, Path::new(&name));
            assert!(matches!(&found, Ok(Opened::File(_, metadata)) if metadata.len() == 6), "{name}: {found:?}");
        }
        for name in ABSENT.into_iter().chain([&*"n".repeat(300), &*"n/".repeat(3_000)]) {
            let error = open(&root, Path::new(name)).expect_err(name);
            assert!(is_absent(&error), "{name}: {error}");
        }
        for name in ["", "sub", "sub-link"] {
            assert!(matches!(open(&root, Path::new(name)), Ok(Opened::Folder(_))), "{name}");
        }
    }

    #[test]
    fn both_ways_to_open_refuse_every_link() {
        let (_all, root) = tree();
        for way in [open_without_links, open_and_compare] {
            for link in ["near", "sub-link/file", "out", "up", "slash", "absolute", "out-and-in/file", "sub-link/x"] {
                let found = way(&root.join(link));
                assert!(
                    found.as_ref().is_err_and(|error| matches!(*error, Errno::LOOP | Errno::NOENT)),
                    "{link}: {found:?}"
                );
            }
            assert!(way(&root.join("sub/file")).is_ok() && way(&root.join("")).is_ok());
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_that_was_reached_by_a_link_is_known_by_its_path() {
        let (_all, root) = tree();
        let is_at = |name: &str| is_at(&File::open(root.join(name)).unwrap(), &root.join(name));
        assert!(is_at("sub/file") && is_at("sub") && is_at(""));
        assert!(!is_at("neighbour/secret") && !is_at("sub-link/file") && !is_at("near"));
    }

    /// Something that swaps a directory for a link, over and over, never gets a foreign file served.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_link_put_in_while_we_look_is_not_followed() {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        use std::sync::atomic::{AtomicBool, Ordering};
        let (_all, root) = tree();
        let (live, link) = (root.join("live"), root.join("link"));
        fs::create_dir(&live).unwrap();
        fs::write(live.join("secret"), "inside").unwrap();
        symlink("../rootless", &link).unwrap();
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    renameat_with(CWD, &live, CWD, &link, RenameFlags::EXCHANGE).unwrap();
                }
            });
            let outcome = std::panic::catch_unwind(|| {
                for way in [open_without_links, open_and_compare] {
                    for _ in 0..20_000 {
                        if let Ok(file) = way(&live.join("secret")) {
                            assert_eq!(io::read_to_string(file).unwrap(), "inside");
                        }
                    }
                }
            });
            // Else the scope would wait for the other thread for ever.
            stop.store(true, Ordering::Relaxed);
            assert!(outcome.is_ok(), "a file outside was opened");
        });
    }
}
