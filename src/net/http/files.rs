//! Static files: one folder and what is in it, read only, never anything outside.
//!
//! [`path`](UrlPath) says what is asked for, `open` opens it inside the root or not at all, `conditions` and `range` say
//! how much of it the client wants, `listing` is the page for a folder.

use std::borrow::Cow;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::request::Head;
use super::response::Response;
use conditions::{Validators, Verdict};
use open::{Opened, is_absent, open};
use range::Asked;
use rustix::io::Errno;

mod conditions;
mod content_type;
mod copy;
mod listing;
mod open;
mod path;
mod range;

pub use copy::copy_through;
pub use path::UrlPath;

/// What is served for a folder instead of its listing.
const INDEX: &str = "index.html";

/// Files up to this size are read into memory: head and body leave in one write, which costs less than `sendfile`.
const SMALL: u64 = 16 * 1024;

/// What is seen of folders without an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folders {
    /// What is in them.
    Listed,
    /// That they are there, and that their listing needs the security token (401).
    Secret,
    /// Nothing (404). An index is found without a slash at the end of its folder's path too.
    Hidden,
}

/// A folder being served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// Canonical.
    root: PathBuf,
}

impl Files {
    /// Serves the folder `root`. Links on the way to it are followed now, once and for all.
    ///
    /// # Errors
    /// A sentence that names the folder and says why it cannot be served.
    pub fn new(root: &Path) -> Result<Self, String> {
        let cannot = |cause: &str| format!("cannot serve {}: {cause}", root.display());
        let real = root.canonicalize().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => cannot("there is no such directory"),
            io::ErrorKind::NotADirectory => cannot("it is not a directory"),
            io::ErrorKind::PermissionDenied => cannot("permission denied"),
            _ => cannot(&error.to_string().to_lowercase()),
        })?;
        if real.is_dir() { Ok(Self { root: real }) } else { Err(cannot("it is not a directory")) }
    }

    /// Answers a request for `path`, percent-encoded as it was sent: that of `head`, or what is left of it after a prefix.
    pub fn answer(&self, head: &Head, path: &str, folders: Folders) -> Response {
        match UrlPath::parse(path) {
            Some(path) => self.answer_at(head, &path, folders),
            None => not_found(),
        }
    }

    /// The same for a path that is decoded already.
    pub fn answer_at(&self, head: &Head, path: &UrlPath, folders: Folders) -> Response {
        if !matches!(head.method.as_str(), "GET" | "HEAD") {
            return Response::error(405, "files can only be read: use GET or HEAD").header("Allow", "GET, HEAD");
        }
        self.find(head, path, folders).unwrap_or_else(|error| refuse(&error))
    }

    fn find(&self, head: &Head, path: &UrlPath, folders: Folders) -> io::Result<Response> {
        // Relative links of a page lead to the right place only if the request's own path ends in a slash.
        let has_slash = head.path.ends_with('/');
        if has_slash || folders == Folders::Hidden {
            // First, since it is the usual case, and needs no right to read the folder.
            match open(&self.root, &path.join(INDEX)) {
                Ok(Opened::File(file, metadata)) => return Ok(send(head, file, &metadata, Path::new(INDEX))),
                Ok(Opened::Folder(_)) => {}
                Err(error) if is_absent(&error) => {}
                Err(error) => return Err(error),
            }
        }
        match open(&self.root, path.relative())? {
            Opened::File(..) if has_slash || path.is_folder() => Err(Errno::NOTDIR.into()),
            Opened::File(file, metadata) => Ok(send(head, file, &metadata, path.relative())),
            Opened::Folder(_) if folders == Folders::Hidden => Ok(not_found()),
            Opened::Folder(_) if !has_slash => Ok(redirect(head)),
            Opened::Folder(_) if folders == Folders::Secret => {
                Ok(Response::error(401, "the listing of this folder needs the security token")
                    // RFC 9110 section 11.6.1 asks for a challenge; browsers open no dialog for this one.
                    .header("WWW-Authenticate", "Bearer"))
            }
            Opened::Folder(folder) => self.list(head, path, &folder),
        }
    }

    fn list(&self, head: &Head, path: &UrlPath, folder: &File) -> io::Result<Response> {
        let shown = UrlPath::parse(&head.path).unwrap_or_else(|| path.clone()).display();
        // Without the slash that joining nothing leaves behind.
        let on_disk = self.root.join(path.relative()).components().collect::<PathBuf>();
        let page = listing::page(&self.root, &on_disk, folder, head, &shown)?;
        // Names and queries are escaped; if that ever fails, still nothing runs. The query may hold a token, which must not
        // travel on in Referer.
        Ok(Response::html(200, page)
            .header("Cache-Control", "no-cache")
            .header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
            .header("Referrer-Policy", "no-referrer")
            .header("X-Content-Type-Options", "nosniff"))
    }
}

/// To the same folder with a slash at its end. The path is that of the request, whose prefix the caller may have taken.
fn redirect(head: &Head) -> Response {
    let Some(path) = UrlPath::parse(&head.path) else {
        return not_found();
    };
    let query = head.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
    Response::empty(301)
        .header("Location", format!("{}{query}", path.to_folder_url()))
        .header("Cache-Control", "no-cache")
}

/// Answers with an open file, or with the part of it that is asked for.
fn send(head: &Head, file: File, metadata: &Metadata, name: &Path) -> Response {
    let validators = Validators::of(metadata);
    match validators.check(head) {
        Verdict::GoOn => {}
        Verdict::NotModified => {
            return Response::empty(304).header("ETag", validators.etag).header("Cache-Control", "no-cache");
        }
        Verdict::Failed => {
            return Response::error(412, "the file is not in the state that the request's conditions ask for");
        }
    }
    let size = metadata.len();
    let response = match asked(head, &validators, size) {
        Asked::Whole => body(head, 200, file, 0, size),
        Asked::Part { offset, length } => body(head, 206, file, offset, length)
            .header("Content-Range", format!("bytes {offset}-{}/{size}", offset + length - 1)),
        Asked::Nothing => {
            return Response::error(416, "the file does not reach as far as the range asked for")
                .header("Content-Range", format!("bytes */{size}"))
                .header("Accept-Ranges", "bytes");
        }
    };
    response
        .header("Content-Type", content_type::of(name))
        .header("Last-Modified", httpdate::fmt_http_date(validators.modified))
        .header("ETag", validators.etag)
        .header("Accept-Ranges", "bytes")
        // Files are rewritten in place: a client asks each time, and is told 304 mostly.
        .header("Cache-Control", "no-cache")
        .header("X-Content-Type-Options", "nosniff")
}

/// RFC 9110 section 14.2: Range is for GET only. Several header lines are several ranges.
fn asked(head: &Head, validators: &Validators, size: u64) -> Asked {
    let mut lines = head.headers("range");
    match (lines.next(), lines.next()) {
        (Some(value), None) if head.method == "GET" && validators.allows_range(head) => range::asked(value, size),
        _ => Asked::Whole,
    }
}

fn body(head: &Head, status: u16, file: File, offset: u64, length: u64) -> Response {
    if length <= SMALL && head.method == "GET" {
        let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
        if file.read_exact_at(&mut bytes, offset).is_ok() {
            return Response::bytes(status, Cow::Owned(bytes));
        }
    }
    // A file that has just become shorter takes this way too; sending it cuts the connection.
    Response::file(status, file, offset, length)
}

fn not_found() -> Response {
    Response::error(404, "there is no such file")
}

fn refuse(error: &io::Error) -> Response {
    if is_absent(error) {
        return not_found();
    }
    match Errno::from_io_error(error) {
        Some(Errno::ACCESS | Errno::PERM) => Response::error(403, "the server may not read this file"),
        Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM) => {
            log::warn!("cannot open a file to serve: {error}");
            Response::error(503, "the server has too many files open: try again in a moment").header("Retry-After", "1")
        }
        _ => {
            log::warn!("cannot read a file to serve: {error}");
            Response::error(500, "the file cannot be read: the server's log says why")
        }
    }
}

#[cfg(test)]
mod tests;
