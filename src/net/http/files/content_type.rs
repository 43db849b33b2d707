//! Content-Type by a file's extension.

use std::path::Path;

/// What `mime_guess` does not know, or knows by an old name.
const OURS: &[(&str, &str)] = &[
    // RFC 9239 section 6: the one name of JavaScript; browsers load modules by no other than a JavaScript type.
    ("js", "text/javascript"),
    ("mjs", "text/javascript"),
    ("cjs", "text/javascript"),
    ("map", "application/json"),
    ("wasm", "application/wasm"),
    ("glb", "model/gltf-binary"),
    ("gltf", "model/gltf+json"),
    ("obj", "model/obj"),
    ("stl", "model/stl"),
    ("usdz", "model/vnd.usdz+zip"),
    ("avz", "application/octet-stream"),
    ("csf", "application/octet-stream"),
    ("evsn", "application/octet-stream"),
    ("ply", "application/octet-stream"),
    // Compressed, and said to be: no answer has a Content-Encoding.
    ("gz", "application/gzip"),
    ("tgz", "application/gzip"),
    ("svgz", "application/gzip"),
    ("json", "application/json"),
    ("svg", "image/svg+xml"),
    ("md", "text/markdown"),
    ("toml", "application/toml"),
    ("yaml", "application/yaml"),
    ("yml", "application/yaml"),
    ("ts", "text/plain"),
];

/// The media type of a file of this name, with a charset when it is text.
pub(super) fn of(name: &Path) -> String {
    let extension = name.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let ours = OURS.iter().find(|(ours, _)| ours.eq_ignore_ascii_case(extension)).map(|(_, kind)| *kind);
    let kind = ours.or_else(|| mime_guess::from_ext(extension).first_raw()).unwrap_or("application/octet-stream");
    if kind.starts_with("text/") { format!("{kind}; charset=utf-8") } else { kind.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_those_that_browsers_and_viewers_ask_for() {
        let table = [
            ("a.js", "text/javascript; charset=utf-8"),
            ("A.MJS", "text/javascript; charset=utf-8"),
            ("a.mjs", "text/javascript; charset=utf-8"),
            ("A.HTML", "text/html; charset=utf-8"),
            ("a.htm", "text/html; charset=utf-8"),
            ("a.css", "text/css; charset=utf-8"),
            ("a.txt", "text/plain; charset=utf-8"),
            ("a.csv", "text/csv; charset=utf-8"),
            ("a.xml", "text/xml; charset=utf-8"),
            ("a.min.js.map", "application/json"),
            ("a.json", "application/json"),
            ("a.WASM", "application/wasm"),
            ("a.glb", "model/gltf-binary"),
            ("a.gltf", "model/gltf+json"),
            ("a.avz", "application/octet-stream"),
            ("a.csf", "application/octet-stream"),
            ("a.evsn", "application/octet-stream"),
            ("a.svg", "image/svg+xml"),
            ("a.png", "image/png"),
            ("a.mp4", "video/mp4"),
            ("a.woff2", "font/woff2"),
            ("a.html.gz", "application/gzip"),
            ("a.svgz", "application/gzip"),
            ("a.nobody-knows", "application/octet-stream"),
            ("Makefile", "application/octet-stream"),
            (".js", "application/octet-stream"),
            ("", "application/octet-stream"),
        ];
        for (name, expected) in table {
            assert_eq!(of(Path::new(name)), expected, "{name}");
        }
    }
}
