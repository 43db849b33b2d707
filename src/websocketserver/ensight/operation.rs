//! Which operation of the API a request means.

use percent_encoding::percent_decode_str;

use super::python::is_attribute;
use crate::net::http::request::Head;

/// The operations of the API; see `docs/rest.md`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Operation {
    Exec,
    Eval,
    DefFunc { app: String, name: String },
    CallFunc { app: String, name: String },
    Cmd(String),
    Get { object: String, attribute: String },
    Set { object: String, attribute: String },
    GetAttrs,
    SetAttrs,
    Method { object: String, method: String },
    RegisterEvent(String),
    UnregisterEvent(String),
    CallbackStream,
}

/// Why a request means none.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unknown {
    /// There is no such path.
    Path,
    /// The path wants one of these methods.
    Method(&'static str),
}

/// Splits what follows `/ensight/` into its decoded segments: the version, the session id, the operation's.
/// `None` when that is not text.
pub(super) fn segments(path: &str) -> Option<Vec<String>> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let decoded = path.split('/').map(|segment| percent_decode_str(segment).decode_utf8().ok());
    decoded.map(|segment| segment.map(std::borrow::Cow::into_owned)).collect()
}

/// The operation of `segments`, which follow the session id.
pub(super) fn find(head: &Head, segments: &[String]) -> Result<Operation, Unknown> {
    const GET: &str = "GET, HEAD, OPTIONS";
    const PUT: &str = "PUT, OPTIONS";
    let words: Vec<&str> = segments.iter().map(String::as_str).collect();
    let own = |text: &str| text.to_owned();
    // HEAD asks and changes nothing.
    let reads = matches!(head.method.as_str(), "GET" | "HEAD");
    let (operation, methods) = match words.as_slice() {
        ["exec"] => (Operation::Exec, PUT),
        ["eval"] => (Operation::Eval, PUT),
        ["def_func", app, name] => (Operation::DefFunc { app: own(app), name: own(name) }, PUT),
        ["call_func", app, name] => (Operation::CallFunc { app: own(app), name: own(name) }, PUT),
        ["cmd", name] => (Operation::Cmd(own(name)), PUT),
        ["ensobjs", "setattrs"] => (Operation::SetAttrs, PUT),
        ["ensobjs", "getattrs"] => (Operation::GetAttrs, PUT),
        ["ensobjs", object, attribute] if reads => {
            (Operation::Get { object: own(object), attribute: own(attribute) }, GET)
        }
        ["ensobjs", object, attribute] if head.method == "PUT" => {
            (Operation::Set { object: own(object), attribute: own(attribute) }, PUT)
        }
        ["ensobjs", _, _] => return Err(Unknown::Method("GET, HEAD, PUT, OPTIONS")),
        ["ensobjs", object, "methods", method] => (Operation::Method { object: own(object), method: own(method) }, PUT),
        ["register_event", tag] => (Operation::RegisterEvent(own(tag)), PUT),
        ["unregister_event", id] => (Operation::UnregisterEvent(own(id)), PUT),
        ["open_callback_stream"] => (Operation::CallbackStream, GET),
        _ => return Err(Unknown::Path),
    };
    if (methods == GET && reads) || (methods == PUT && head.method == "PUT") {
        Ok(operation)
    } else {
        Err(Unknown::Method(methods))
    }
}

/// What an operation may be told in the query.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parameters {
    /// `returns`: attributes to answer in place of an object.
    pub(super) returns: Vec<String>,
    /// `imports`: modules that a function needs.
    pub(super) imports: Vec<String>,
    /// `suppress_errors`.
    pub(super) suppress_errors: bool,
}

impl Parameters {
    /// Reads a query.
    ///
    /// # Errors
    /// A sentence about the parameter that cannot be used.
    pub(super) fn read(query: Option<&str>) -> Result<Self, String> {
        let pairs = crate::net::http::query::parse(query.unwrap_or_default());
        let list = |name| -> Vec<String> {
            let text = crate::net::http::query::get(&pairs, name).unwrap_or_default();
            text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
        };
        let returns = list("returns");
        if !returns.iter().all(|name| is_attribute(name)) {
            return Err("returns is a list of attribute names with commas between them".to_owned());
        }
        let imports = list("imports");
        if !imports.iter().all(|name| super::python::is_dotted(name)) {
            return Err("imports is a list of module names with commas between them".to_owned());
        }
        let suppress_errors = crate::net::http::query::get(&pairs, "suppress_errors").unwrap_or("false");
        let suppress_errors = match suppress_errors.to_ascii_lowercase().as_str() {
            "true" | "1" => true,
            "false" | "0" | "" => false,
            _ => return Err("suppress_errors is neither true nor false".to_owned()),
        };
        Ok(Self { returns, imports, suppress_errors })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::http::request::head_for_test;

    fn found(line: &str) -> Result<Operation, Unknown> {
        let head = head_for_test(&format!("{line} HTTP/1.1\r\nHost: h\r\n\r\n"));
        let path = head.path.strip_prefix('/').unwrap().to_owned();
        find(&head, &segments(&path).unwrap())
    }

    #[test]
    fn paths_and_methods_lead_to_their_operation() {
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        let (object, attribute) = pair("ensight.objs.core", "VISIBLE");
        assert_eq!(found("PUT /exec"), Ok(Operation::Exec));
        assert_eq!(found("PUT /eval/"), Ok(Operation::Eval));
        assert_eq!(found("GET /eval"), Err(Unknown::Method("PUT, OPTIONS")));
        assert_eq!(found("PUT /def_func/a/f"), Ok(Operation::DefFunc { app: "a".into(), name: "f".into() }));
        assert_eq!(found("PUT /call_func/a%2Fb/f"), Ok(Operation::CallFunc { app: "a/b".into(), name: "f".into() }));
        assert_eq!(found("PUT /cmd/ensight.a.b"), Ok(Operation::Cmd("ensight.a.b".into())));
        let get = Operation::Get { object: object.clone(), attribute: attribute.clone() };
        assert_eq!(found("GET /ensobjs/ensight.objs.core/VISIBLE"), Ok(get.clone()));
        assert_eq!(found("HEAD /ensobjs/ensight.objs.core/VISIBLE"), Ok(get));
        assert_eq!(found("PUT /ensobjs/ensight.objs.core/VISIBLE"), Ok(Operation::Set { object, attribute }));
        assert_eq!(found("POST /ensobjs/1/VISIBLE"), Err(Unknown::Method("GET, HEAD, PUT, OPTIONS")));
        assert_eq!(found("PUT /ensobjs/setattrs"), Ok(Operation::SetAttrs));
        assert_eq!(found("PUT /ensobjs/getattrs"), Ok(Operation::GetAttrs));
        assert_eq!(
            found("PUT /ensobjs/12/methods/f"),
            Ok(Operation::Method { object: "12".into(), method: "f".into() })
        );
        assert_eq!(found("GET /open_callback_stream"), Ok(Operation::CallbackStream));
        for path in ["PUT /", "PUT /exec/x", "PUT /ensobjs/1", "PUT /ensobjs/1/b/c", "PUT /def_func/a"] {
            assert_eq!(found(path), Err(Unknown::Path), "{path}");
        }
        assert_eq!(segments("v1/%ff"), None);
    }

    #[test]
    fn queries_are_checked() {
        let read = |query| Parameters::read(Some(query));
        let names = read("returns=A,%20__OBJID__,&imports=time,numpy.linalg&suppress_errors=True").unwrap();
        assert_eq!(names.returns, ["A", "__OBJID__"]);
        assert_eq!(names.imports, ["time", "numpy.linalg"]);
        assert!(names.suppress_errors);
        assert_eq!(Parameters::read(None), Ok(Parameters::default()));
        for bad in ["returns=A%22", "returns=a.b", "imports=os;x", "imports=a b", "suppress_errors=perhaps"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
