use super::*;

fn planned(op: &Operation, query: &str, body: &str, kind: Option<&str>) -> Result<Plan, Refused> {
    let with = Parameters::read(Some(query)).map_err(|sentence| (400, sentence))?;
    plan(op, &with, &Body::new(body.into(), kind)?, "grpc://guid/")
}

fn json(op: &Operation, query: &str, body: &str) -> Result<Plan, Refused> {
    planned(op, query, body, Some("application/json"))
}

#[expect(clippy::unnecessary_wraps, reason = "it is compared with results")]
fn asks(source: &str) -> Result<Plan, Refused> {
    Ok(Plan::Ask(source.to_owned()))
}

#[expect(clippy::unnecessary_wraps, reason = "it is compared with results")]
fn does(source: &str) -> Result<Plan, Refused> {
    Ok(Plan::Do(source.to_owned()))
}

fn own(text: &str) -> String {
    text.to_owned()
}

#[test]
fn exec_takes_one_string_or_many() {
    let exec = |texts: &[&str]| Ok(Plan::Exec(texts.iter().map(|text| own(text)).collect()));
    assert_eq!(json(&Operation::Exec, "", r#""a = 1""#), exec(&["a = 1"]));
    assert_eq!(json(&Operation::Exec, "", r#"["a = 1","b = \u00e9"]"#), exec(&["a = 1", "b = é"]));
    assert_eq!(json(&Operation::Exec, "", "[]"), exec(&[]));
    for bad in ["", "a = 1", "[1]", "{}", "3", "\"\\ud800\"", "[\"a\", null]"] {
        assert_eq!(json(&Operation::Exec, "", bad).unwrap_err().0, 400, "{bad}");
    }
    let plain = |text| planned(&Operation::Exec, "", text, Some("text/plain;charset=UTF-8"));
    assert_eq!(plain(r#""a = 1""#), exec(&["a = 1"]));
    assert_eq!(plain(r#"["a = 1"]"#), exec(&["a = 1"]));
    assert_eq!(plain("a = 1"), exec(&["a = 1"]));
    assert_eq!(plain("[1]"), exec(&["[1]"]));
    assert_eq!(Body::new(vec![0xff], None).map(|_| ()).unwrap_err().0, 400);
}

#[test]
fn eval_is_a_string_that_is_evaluated() {
    let source = r#"_wss_rest_v1.out(eval(__import__("json").loads("\"(\\n1+1\\n)\"")),None)"#;
    assert_eq!(json(&Operation::Eval, "", "\"1+1\""), asks(source));
    assert_eq!(planned(&Operation::Eval, "", "1+1", Some("text/plain")), asks(source));
    let Ok(Plan::Ask(text)) = json(&Operation::Eval, "returns=A,B", "\"x\"") else { panic!() };
    assert!(text.ends_with(r#",["A","B"])"#), "{text}");
}

#[test]
fn functions_are_defined_and_called_by_name() {
    let (app, name) = (own("myapp"), own("f"));
    let define = Operation::DefFunc { app: app.clone(), name: name.clone() };
    assert_eq!(
        json(&define, "imports=time,numpy", "\"def f(): pass\""),
        does(r#"_wss_rest_v1.def_func("myapp","f",__import__("json").loads("\"def f(): pass\""),["time","numpy"])"#)
    );
    let call = Operation::CallFunc { app, name };
    assert_eq!(
        json(&call, "returns=__OBJID__", r#"{"a": "@ENSOBJ=1@"}"#),
        asks(r#"_wss_rest_v1.call_func("myapp","f",_wss_rest_v1.js("{\"a\": \"@ENSOBJ=1@\"}"),["__OBJID__"])"#)
    );
    assert_eq!(json(&call, "", ""), asks(r#"_wss_rest_v1.call_func("myapp","f",_wss_rest_v1.js("{}"),None)"#));
    assert_eq!(json(&call, "", "[]").unwrap_err().0, 400);
    let bad = |app: &str, name: &str| (own(app), own(name));
    for (app, name) in [bad("a b", "f"), bad("a", "f()"), bad("a\"", "f"), bad("", "f"), bad("a.b", "f")] {
        let define = Operation::DefFunc { app: app.clone(), name: name.clone() };
        assert_eq!(json(&define, "", "\"\"").unwrap_err().0, 400);
        assert_eq!(json(&Operation::CallFunc { app, name }, "", "{}").unwrap_err().0, 401);
    }
}

#[test]
fn commands_and_methods_have_their_parameters_as_data() {
    let rotate = Operation::Cmd(own("ensight.view_transf.rotate"));
    assert_eq!(
        json(&rotate, "", "[33.7, -0.402, 0.0]"),
        asks(r#"_wss_rest_v1.cmd("ensight.view_transf.rotate",_wss_rest_v1.js("[33.7, -0.402, 0.0]"))"#)
    );
    for name in ["os.system", "ensight", "ensight.a(1)", "ensight.a;b", "ensight.a\nb", "ensight.a.__import__('os')"] {
        assert_eq!(json(&Operation::Cmd(own(name)), "", "[]").unwrap_err().0, 400, "{name}");
    }
    let method = |object: &str, name: &str| Operation::Method { object: own(object), method: own(name) };
    assert_eq!(
        json(&method("220", "createvariable"), "", r#"{"args": [1]}"#),
        asks(
            r#"(lambda call: _wss_rest_v1.method("220","createvariable",call.get("args",[]),call.get("kwargs",{}),None))(_wss_rest_v1.js("{\"args\": [1]}"))"#
        )
    );
    assert_eq!(json(&method("220", "a.b"), "", "{}").unwrap_err().0, 400);
    assert_eq!(json(&method("x", "f"), "", "{}").unwrap_err().0, 400);
    for body in ["[]", r#"{"args": {}}"#, r#"{"kwargs": []}"#, "nothing"] {
        assert_eq!(json(&method("220", "f"), "", body).unwrap_err().0, 400, "{body}");
    }
}

#[test]
fn attributes_are_read_and_set() {
    let (object, attribute) = (own("ensight.objs.core"), own("VISIBLE"));
    let get = Operation::Get { object: object.clone(), attribute: attribute.clone() };
    assert_eq!(json(&get, "", ""), asks(r#"_wss_rest_v1.get("ensight.objs.core","VISIBLE",None)"#));
    let set = Operation::Set { object, attribute };
    let wanted = r#"_wss_rest_v1.set("ensight.objs.core","VISIBLE",_wss_rest_v1.js("false"))"#;
    assert_eq!(json(&set, "", "false"), does(wanted));
    assert_eq!(json(&set, "", "").unwrap_err().0, 400);
    let big = r#"_wss_rest_v1.set("ensight.objs.core","VISIBLE",_wss_rest_v1.js("12345678901234567890123"))"#;
    assert_eq!(json(&set, "", "12345678901234567890123"), does(big));
    for name in ["core", "ensight.objs.core.VISIBLE=1", "1 or 2", "", "-1", "@ENSOBJ=@", "@ENSOBJ=1@@"] {
        let get = Operation::Get { object: own(name), attribute: own("A") };
        assert_eq!(json(&get, "", "").unwrap_err().0, 400, "{name}");
        let get = Operation::Get { object: own("1"), attribute: own(name) };
        assert_eq!(json(&get, "", "").map(|_| ()).map_err(|no| no.0), if name == "core" { Ok(()) } else { Err(400) });
    }
}

#[test]
fn many_objects_are_data_too() {
    let list = r#"["ensight.objs.core", 1234, "1235"]"#;
    let source = r#"_wss_rest_v1.getattrs(_wss_rest_v1.js("[\"ensight.objs.core\", 1234, \"1235\"]"),["A"],True)"#;
    assert_eq!(json(&Operation::GetAttrs, "returns=A&suppress_errors=true", list), asks(source));
    for bad in ["", "{}", "[true]", "[1.5]", "[-1]", "[[1]]", r#"["x"]"#, r#"["ensight.objs.core)"]"#] {
        assert_eq!(json(&Operation::GetAttrs, "", bad).unwrap_err().0, 400, "{bad}");
        assert_eq!(json(&Operation::SetAttrs, "", bad).unwrap_err().0, 400, "{bad}");
    }
    for key in ["value", "values"] {
        let body = format!(r#"{{"objects": [1], "{key}": {{"VISIBLE": true}}}}"#);
        let Ok(Plan::Do(source)) = json(&Operation::SetAttrs, "", &body) else { panic!() };
        assert!(source.contains(&format!(r#"all["objects"],all["{key}"],False"#)), "{source}");
    }
    for bad in [r#"{"objects": [1]}"#, r#"{"objects": [1], "values": {"a.b": 1}}"#, r#"{"objects": [1], "values": []}"#]
    {
        assert_eq!(json(&Operation::SetAttrs, "", bad).unwrap_err().0, 400, "{bad}");
    }
}

#[test]
fn events_have_a_tag_an_object_and_attributes() {
    let event = |tag: &str| Operation::RegisterEvent(own(tag));
    let body = r#"{"object": "ensight.objs.core", "attributes": ["PARTS"]}"#;
    let source = r#"_wss_rest_v1.register("ensight.objs.core","grpc://guid/parts",["PARTS"],True)"#;
    assert_eq!(json(&event("parts"), "", body), asks(source));
    let body = r#"{"object": "ENS_PART", "attributes": ["A", "B"], "compress": false}"#;
    let source = r#"_wss_rest_v1.register("ENS_PART","grpc://guid/t",["A","B"],False)"#;
    assert_eq!(json(&event("t"), "", body), asks(source));
    for tag in ["", "a b", "a'b", "a/b", "a?b"] {
        assert_eq!(json(&event(tag), "", body).unwrap_err().0, 400);
    }
    for bad in ["{}", "[]", r#"{"object": "x", "attributes": ["A"]}"#, r#"{"object": 1, "attributes": []}"#] {
        assert_eq!(json(&event("t"), "", bad).unwrap_err().0, 400, "{bad}");
    }
    assert_eq!(json(&Operation::UnregisterEvent(own("7")), "", ""), does("_wss_rest_v1.unregister(7)"));
    assert_eq!(json(&Operation::UnregisterEvent(own("7)")), "", "").unwrap_err().0, 400);
}
