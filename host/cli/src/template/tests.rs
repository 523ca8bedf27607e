use proptest::prelude::*;

use super::*;

fn container() -> Row {
    let text = r#"{"Id":"ad101c467650d894","Name":"/web","Created":"2026-11-22T03:15:53Z",
        "State":{"Status":"running","Running":true,"Pid":7,"ExitCode":0,"Health":{"Status":"starting","Log":[]}},
        "Config":{"Labels":{"x":"1","a.b":"c"},"Cmd":["sleep","1000"],"Entrypoint":null,"Tty":false,
                  "Volumes":null,"ExposedPorts":{"80/tcp":{}}},
        "HostConfig":{"Memory":0,"ShmSize":67108864,"Binds":null,"PidsLimit":null,"NanoCpus":1500000000,
                      "LogConfig":{"Type":"json-file","Config":{}},"RestartPolicy":{"Name":"no","MaximumRetryCount":0}},
        "Mounts":[{"Type":"bind","Source":"/a"},{"Type":"volume","Source":"/b"}],
        "NetworkSettings":{"Ports":{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"18099"},{"HostIp":"::","HostPort":"18099"}],"81/tcp":null},
                           "Networks":{"bridge":{"IPAddress":"172.17.0.2","Gateway":"172.17.0.1"}}}}"#;
    let data: Data = serde_json::from_str(text).unwrap();
    Row {
        data: data.shaped(),
        labels: [("com.example.tier".to_owned(), "web".to_owned())].into(),
    }
}

fn filled(template: &str) -> String {
    match Template::parse(template).and_then(|template| template.render(&container())) {
        Ok(text) => text,
        Err(error) => error.to_string(),
    }
}

/// What the docker client 28.2 prints for the same container.
const FILLED: &[(&str, &str)] = &[
    ("{{.State.Status}}", "running"),
    ("{{.Name}}\\t{{.State.Running}}", "/web\\ttrue"),
    (
        "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}",
        "172.17.0.2",
    ),
    (
        "{{range $k, $v := .NetworkSettings.Networks}}{{$k}}={{$v.Gateway}} {{end}}",
        "bridge=172.17.0.1 ",
    ),
    (
        "{{.NetworkSettings.Networks.bridge.IPAddress}}",
        "172.17.0.2",
    ),
    (
        "{{json .Mounts}}",
        r#"[{"Type":"bind","Source":"/a"},{"Type":"volume","Source":"/b"}]"#,
    ),
    (
        "{{json .State.Health}}",
        r#"{"Status":"starting","Log":[]}"#,
    ),
    (
        "{{json .Config.Entrypoint}} {{json .HostConfig.PidsLimit}}",
        "null null",
    ),
    (r#"{{index .Config.Labels "a.b"}}"#, "c"),
    (r#"{{index .Config.Labels "nope"}}|"#, "|"),
    (r#"{{.Config.Labels.nope}}"#, "<no value>"),
    (r#"{{index .NetworkSettings.Networks "nope"}}"#, "<nil>"),
    (
        r#"{{(index (index .NetworkSettings.Ports "80/tcp") 0).HostPort}}"#,
        "18099",
    ),
    (
        r#"{{range $p, $conf := .NetworkSettings.Ports}}{{$p}} -> {{if $conf}}{{(index $conf 0).HostPort}}{{else}}none{{end}} {{end}}"#,
        "80/tcp -> 18099 81/tcp -> none ",
    ),
    (
        "{{.NetworkSettings.Ports}}",
        "map[80/tcp:[{0.0.0.0 18099} {:: 18099}] 81/tcp:[]]",
    ),
    ("{{.Config.Labels}}", "map[a.b:c x:1]"),
    (
        "{{.Config.Cmd}} {{join .Config.Cmd \",\"}}",
        "[sleep 1000] sleep,1000",
    ),
    (
        "{{.HostConfig.LogConfig}} {{.HostConfig.RestartPolicy}}",
        "{json-file map[]} {no 0}",
    ),
    (
        "{{.HostConfig.ShmSize}} {{.HostConfig.PidsLimit}} {{.HostConfig.Binds}}",
        "67108864 <nil> []",
    ),
    (
        "{{ .Config.Volumes }} {{.Config.ExposedPorts}}",
        "map[] map[80/tcp:{}]",
    ),
    (
        r#"{{printf "%d %s %v %q" .HostConfig.Memory .Name .Config.Tty .Config.Cmd}}"#,
        r#"0 /web false ["sleep" "1000"]"#,
    ),
    ("{{with .State}}{{.Status}}{{else}}none{{end}}", "running"),
    (
        "{{if .State.Health}}{{.State.Health.Status}}{{end}}",
        "starting",
    ),
    (
        "{{if eq .State.Status \"exited\"}}gone{{else if .State.Running}}up{{else}}?{{end}}",
        "up",
    ),
    (
        "{{eq .HostConfig.Memory 0}} {{ne .Name \"x\"}} {{lt 1 2}} {{eq 1 2 1}}",
        "true true true true",
    ),
    (
        "{{and .State.Running (not .Config.Tty)}} {{or .Config.Entrypoint .Name}}",
        "true /web",
    ),
    (
        "{{slice .Id 0 12}} {{len .Mounts}} {{len .Name}}",
        "ad101c467650 2 4",
    ),
    (
        r#"{{title "ab cd"}}{{pad "x" 2 3}}|{{truncate "abcdef" 3}}{{upper .Name}}"#,
        "Ab Cd  x   |abc/WEB",
    ),
    (
        r#"{{.Name | printf "%-8s|"}}{{printf "%5.1f|%05d|%x" 1.25 42 255}}"#,
        "/web    |  1.2|00042|ff",
    ),
    (
        "{{range $i, $m := .Mounts}}{{if $i}},{{end}}{{$m.Source}}{{end}}",
        "/a,/b",
    ),
    (
        "{{range .Mounts}}{{if eq .Type \"volume\"}}{{break}}{{end}}{{.Source}}{{end}}",
        "/a",
    ),
    ("{{range .HostConfig.Binds}}x{{else}}none{{end}}", "none"),
    ("{{range .Mounts -}}\n  {{.Type}}\n{{- end}}", "bindvolume"),
    ("{{/* c */}}a {{- \" b\" -}} c", "a bc"),
    (
        "{{$n := .Name}}{{range .Mounts}}{{$n}}{{$.Id | printf \"%.2s\"}} {{end}}",
        "/webad /webad ",
    ),
    ("{{$x := 1}}{{if true}}{{$x = 2}}{{end}}{{$x}}", "2"),
    ("{{print 1 2 \"a\" 3}} {{println .Name}}", "1 2a3 /web\n"),
    ("{{range $i := 3}}{{$i}}{{end}}", "012"),
    ("{{.Label \"com.example.tier\"}}", "web"),
    ("{{index (split .Created \"T\") 0}}", "2026-11-22"),
    (
        "{{printf \"%d\" .Name}} {{printf \"%d\"}}",
        "%!d(string=/web) %!d(MISSING)",
    ),
];

#[test]
fn what_users_write_reads_as_dockers() {
    for (template, text) in FILLED {
        assert_eq!(filled(template), *text, "{template}");
    }
}

/// Docker's own words, of the docker client 28.2.
#[test]
fn what_is_wrong_is_told_with_its_place() {
    for (template, text) in [
        ("{{.ID", "template: :1: unclosed action"),
        ("{{foo .ID}}", "template: :1: function \"foo\" not defined"),
        ("{{range .}}", "template: :1: unexpected EOF"),
        ("{{end}}", "template: :1: unexpected {{end}}"),
        ("{{else}}", "template: :1: unexpected {{else}}"),
        ("{{}}", "template: :1: missing value for command"),
        ("x\n{{$y}}", "template: :2: undefined variable \"$y\""),
        (
            "{{.Nope}}",
            "template: :1:2: executing \"\" at <.Nope>: map has no entry for key \"Nope\"",
        ),
        (
            "a\n{{.Name.Foo}}",
            "template: :2:2: executing \"\" at <.Name.Foo>: can't evaluate field Foo in type string",
        ),
        (
            "{{index .Config.Cmd 7}}",
            "template: :1:2: executing \"\" at <index .Config.Cmd 7>: error calling index: index out of range: 7",
        ),
        (
            "{{ eq .Name 1 }}",
            "template: :1:3: executing \"\" at <eq .Name 1>: error calling eq: incompatible types for comparison",
        ),
        (
            "{{\"x\" .Name}}",
            "template: :1:2: executing \"\" at <\"x\">: can't give argument to non-function \"x\"",
        ),
        (
            "{{.Label}}",
            "template: :1:2: executing \"\" at <.Label>: wrong number of args for Label: want 1 got 0",
        ),
    ] {
        assert_eq!(filled(template), text, "{template}");
    }
}

#[test]
fn what_would_never_end_or_fill_the_memory_is_refused() {
    let doubling = format!(
        "{{{{$x := \"ab\"}}}}{}",
        "{{$x = print $x $x $x $x}}".repeat(40)
    );
    assert!(filled(&doubling).contains("grows too long"));
    assert!(
        filled("{{range $i := 500}}{{range $j := 5000}}{{end}}{{end}}").contains("too many steps")
    );
    assert!(filled("{{range $i := 99999999999}}{{end}}").contains("can't iterate"));
    assert!(filled(&"{{if true}}".repeat(5000)).contains("too deeply"));
    assert!(filled(&format!("{{{{{}}}}}", "(".repeat(5000))).contains("too deeply"));
    assert_eq!(filled("{{printf \"%99999999999d\" 1}}").len(), 10_000);
}

fn fragment() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "{{",
        "}}",
        "{{- ",
        " -}}",
        "if ",
        "else ",
        "end",
        "range ",
        "with ",
        "$",
        "$x",
        ":=",
        "=",
        ",",
        ".",
        ".Name",
        ".State",
        ".Config",
        "(",
        ")",
        "|",
        "\"a\"",
        "`b`",
        "'c'",
        "-1",
        "0x7fffffffffffffff",
        "1.5",
        "printf ",
        "index ",
        "slice ",
        "len ",
        "json ",
        "eq ",
        "%d",
        "pad ",
        "break",
        "\n",
        "é",
        "/*",
        "*/",
    ]);
    prop_oneof![4 => known.prop_map(str::to_owned), 1 => ".{0,3}"]
}

proptest! {
    #[test]
    fn no_template_makes_it_panic(parts in prop::collection::vec(fragment(), 0..24)) {
        filled(&parts.concat());
    }

    #[test]
    fn no_format_makes_printf_panic(format in "(%[-+# 0]{0,3}[0-9*]{0,6}(\\.[0-9*]{0,6})?[a-zA-Z%é]?|.){0,8}") {
        let values = [Data::Int(i64::MIN), Data::from("é"), Data::Float(f64::MAX), Data::Null, Data::List(vec![Data::Bool(true)])];
        printf::printf(&format, &values);
    }
}
