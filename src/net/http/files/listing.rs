//! The page that lists a folder.

use std::cmp::Ordering;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, statat};

use super::super::query;
use super::super::request::Head;
use super::conditions::date;
use super::open::resolve;
use super::path::encode;

/// Entries of one page. A folder may hold millions; the page is built in memory.
const MAX_ENTRIES: usize = 20_000;

const STYLE: &str = ":root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;margin:2rem}\
h1{font-size:1.25rem;overflow-wrap:anywhere}table{border-collapse:collapse}\
th,td{padding:.15rem 1.5rem .15rem 0;text-align:left;vertical-align:top}td:first-child{overflow-wrap:anywhere}\
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}tbody tr:hover{background:#8883}";

/// One line of the listing.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    name: Vec<u8>,
    folder: bool,
    size: u64,
    /// Seconds since 1970.
    modified: i64,
}

/// A column, and what it is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Name,
    Size,
    Time,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Order {
    by: Column,
    descending: bool,
}

/// The page for an open folder, which is `path` on disk, below `root`. `shown` is its name for people.
///
/// # Errors
/// The folder cannot be read.
pub(super) fn page(root: &Path, path: &Path, folder: &File, head: &Head, shown: &str) -> io::Result<String> {
    let (mut entries, complete) = read(root, path, folder)?;
    let query = head.query.as_deref().unwrap_or_default();
    let order = Order::asked(query);
    order.sort(&mut entries);
    let mut page = print(&entries, order, query, shown, path != root);
    if !complete {
        let _ = writeln!(page, "<p>Only {MAX_ENTRIES} entries are shown; there are more.</p>");
    }
    page.push_str("</body>\n</html>\n");
    Ok(page)
}

/// What is in the folder and would be served, and whether that is all.
fn read(root: &Path, path: &Path, folder: &File) -> io::Result<(Vec<Entry>, bool)> {
    let mut entries = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        if entries.len() == MAX_ENTRIES {
            return Ok((entries, false));
        }
        // What has gone meanwhile, or may not be looked at, is left out.
        let Ok(stat) = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) else {
            continue;
        };
        let name = name.to_bytes().to_vec();
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Symlink => entries.extend(follow(root, path, name)),
            kind @ (FileType::RegularFile | FileType::Directory) => entries.push(Entry {
                name,
                folder: kind == FileType::Directory,
                size: u64::try_from(stat.st_size).unwrap_or(0),
                modified: stat.st_mtime,
            }),
            _ => {}
        }
    }
    Ok((entries, true))
}

/// The line of a link, if it leads to a file or folder inside the root.
fn follow(root: &Path, path: &Path, name: Vec<u8>) -> Option<Entry> {
    let real = resolve(root, &path.join(OsStr::from_bytes(&name))).ok()?;
    let target = fs::symlink_metadata(real).ok()?;
    let served = target.is_file() || target.is_dir();
    served.then(|| Entry { name, folder: target.is_dir(), size: target.size(), modified: target.mtime() })
}

impl Order {
    /// From `?sort=name|size|time&order=desc`; by name when it says nothing that is known.
    fn asked(query: &str) -> Self {
        let pairs = query::parse(query);
        let by = match query::get(&pairs, "sort") {
            Some("size") => Column::Size,
            Some("time") => Column::Time,
            _ => Column::Name,
        };
        Self { by, descending: query::get(&pairs, "order") == Some("desc") }
    }

    /// Folders stay in front. Equal ones follow their names, so that a page looks the same each time.
    fn sort(self, entries: &mut [Entry]) {
        entries.sort_by(|one, other| {
            let by_name = one.name.cmp(&other.name);
            let ascending = match self.by {
                Column::Name => by_name,
                // The size of a folder means nothing to people.
                Column::Size if one.folder => Ordering::Equal,
                Column::Size => one.size.cmp(&other.size),
                Column::Time => one.modified.cmp(&other.modified),
            };
            let ordered = if self.descending { ascending.reverse() } else { ascending };
            other.folder.cmp(&one.folder).then(ordered).then(by_name)
        });
    }
}

/// The page without its end.
fn print(entries: &[Entry], order: Order, query: &str, shown: &str, parent: bool) -> String {
    let title = escape(shown);
    let mut page = String::with_capacity(1_024 + entries.len() * 160);
    let _ = write!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n<table>\n<thead><tr>"
    );
    for (column, name, label, class) in [
        (Column::Name, "name", "Name", ""),
        (Column::Size, "size", "Size", " class=\"n\""),
        (Column::Time, "time", "Modified (UTC)", ""),
    ] {
        let (sorted, mark) = match (order.by == column, order.descending) {
            (false, _) => ("", ""),
            (true, false) => (" aria-sort=\"ascending\"", " ↑"),
            (true, true) => (" aria-sort=\"descending\"", " ↓"),
        };
        let direction = if order.by == column && !order.descending { "&amp;order=desc" } else { "" };
        let rest = escape(&without_order(query));
        let _ = write!(page, "<th{class}{sorted}><a href=\"?{rest}sort={name}{direction}\">{label}</a>{mark}</th>");
    }
    page.push_str("</tr></thead>\n<tbody>\n");
    // Folders are opened with the same query: the order stays, and so does a token, without which they could not be listed.
    let query = if query.is_empty() { String::new() } else { format!("?{}", escape(query)) };
    if parent {
        let _ = writeln!(page, "<tr><td><a href=\"../{query}\">../</a></td><td></td><td></td></tr>");
    }
    for entry in entries {
        print_entry(&mut page, entry, &query);
    }
    page.push_str("</tbody>\n</table>\n");
    page
}

fn print_entry(page: &mut String, entry: &Entry, query: &str) {
    let name = escape(&String::from_utf8_lossy(&entry.name));
    let link: String = encode(&entry.name).collect();
    let (slash, query) = if entry.folder { ("/", query) } else { ("", "") };
    let _ = write!(page, "<tr><td><a href=\"{link}{slash}{query}\"><bdi>{name}</bdi>{slash}</a></td>");
    if entry.folder {
        page.push_str("<td></td>");
    } else {
        let _ = write!(page, "<td class=\"n\" title=\"{} bytes\">{}</td>", entry.size, human_size(entry.size));
    }
    // "Sun, 06 Nov 1994 08:49:37 GMT" without its weekday, seconds and zone.
    let date = httpdate::fmt_http_date(date(entry.modified));
    let _ = writeln!(page, "<td class=\"n\">{}</td></tr>", date.get(5..22).unwrap_or_default());
}

/// The query without what orders the page, ready for more to follow.
fn without_order(query: &str) -> String {
    let ordering = |part: &&str| matches!(part.split('=').next(), Some("" | "sort" | "order"));
    query.split('&').filter(|part| !ordering(part)).flat_map(|part| [part, "&"]).collect()
}

fn human_size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let Some(power) = bytes.checked_ilog2().map(|log| log / 10).filter(|&power| power > 0) else {
        return format!("{bytes} B");
    };
    let unit = UNITS.get(power as usize - 1).unwrap_or(&"");
    // In 128 bits, so that tenths of the largest file fit.
    let tenths = (u128::from(bytes) * 10) >> (10 * power);
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

/// Text that may stand between tags and in attributes with double quotes.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests;
