//! Finding programs, and saying why one cannot be run.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

/// Whether `path` is a program; else the end of a sentence that begins with its name.
pub(super) fn check(path: &Path) -> Result<(), String> {
    let metadata = fs::metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => "is not there".to_owned(),
        _ => format!("cannot be read: {error}"),
    })?;
    if !metadata.is_file() {
        return Err("is not a file".to_owned());
    }
    access(path, Access::EXEC_OK).map_err(|_| "is not executable".to_owned())
}

/// The program `name`: a path (relative to `folder`), or a name to be found in `search`, which has the form of PATH.
pub(super) fn find(name: &str, folder: &Path, search: Option<&OsStr>) -> Result<PathBuf, String> {
    if name.contains('/') {
        let path = folder.join(name);
        return check(&path).map(|()| path.clone()).map_err(|cause| format!("{} {cause}", path.display()));
    }
    let mut found = None;
    for path in std::env::split_paths(search.unwrap_or_default()).map(|folder| folder.join(name)) {
        match check(&path) {
            Ok(()) => return std::path::absolute(&path).map_err(|error| error.to_string()),
            Err(cause) if path.exists() => found = found.or(Some(format!("{} {cause}", path.display()))),
            Err(_) => {}
        }
    }
    Err(found.unwrap_or_else(|| format!("'{name}' is not found in PATH")))
}
