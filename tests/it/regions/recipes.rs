//! The recipes for what steers visitors, as others read them: keepalived itself, and a reader of Terraform's language.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::{process, secs};

#[tokio::test]
async fn keepalived_has_nothing_to_say_about_its_configuration() {
    let may = Command::new("unshare").args(["--net", "true"]).status();
    if !may.is_ok_and(|status| status.success()) {
        return; // a network with an eth0 of its own needs root
    }
    let recipe = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/regions/keepalived.conf");
    let text = std::fs::read_to_string(recipe).unwrap();
    for (what, text, is_well) in [
        ("as it is", text.clone(), true),
        ("with a slip", text.replace("advert_int", "advert_imt"), false),
        ("with a password that it cuts", text.replace("auth_pass changeme", "auth_pass change-me"), false),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("keepalived.conf");
        std::fs::write(&file, text).unwrap();
        let mut command = Command::new("unshare");
        let line =
            "ip link add eth0 type veth peer name eth1 && exec keepalived --config-test --use-file \"$0\"";
        command.args(["--net", "sh", "-c", line]).arg(&file);
        // it says what is wrong, and does not put all of it into its exit code
        let said = process::run(command, secs(20)).await;
        assert_eq!(format!("{}{}", said.out, said.err).is_empty(), is_well, "{what}: {said:?}");
    }
}

/// A Terraform file in JSON; its objects have a name of one key each. `None`: it is not sound.
async fn terraform(file: &Path) -> Option<Value> {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/hcl/bin/python");
    assert!(python.exists(), "run tests/run once, it installs what the tests need");
    let mut command = Command::new(python);
    command.args(["-c", "import hcl2, json, sys; print(json.dumps(hcl2.load(open(sys.argv[1]))))"]).arg(file);
    let said = process::run(command, secs(60)).await;
    (said.code == 0).then(|| serde_json::from_str(&said.out).unwrap())
}

/// The names of all blocks of a kind, however many labels each has.
fn labels(kind: &Value, depth: usize) -> Vec<String> {
    let of_one = |block: &Value| -> Vec<String> {
        let labelled = block.as_object().unwrap().iter().filter(|(key, _)| !key.starts_with("__"));
        let names = labelled.flat_map(|(key, inner)| {
            let key = key.trim_matches('"').to_owned();
            match depth {
                1 => vec![key],
                _ => labels(&Value::Array(vec![inner.clone()]), depth - 1)
                    .into_iter()
                    .map(|inner| format!("{key}.{inner}"))
                    .collect(),
            }
        });
        names.collect()
    };
    kind.as_array().unwrap().iter().flat_map(of_one).collect()
}

/// What stands after each `prefix` of a text, as far as it is a name.
fn named(text: &str, prefix: &str) -> Vec<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let rests = text.split(prefix).skip(1);
    rests.map(|rest| rest.chars().take_while(|c| is_name(*c)).collect()).collect()
}

#[tokio::test]
async fn the_module_for_route_53_is_sound_and_names_nothing_that_it_does_not_have() {
    let recipe = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/regions/route53/main.tf");
    let text = std::fs::read_to_string(&recipe).unwrap();
    let read = terraform(&recipe).await.expect("a sound file");
    let (variables, used) = (labels(&read["variable"], 1), named(&text, "var."));
    assert_eq!(variables, ["zone_id", "name", "site", "instances"]);
    for variable in &variables {
        assert!(used.contains(variable), "nobody uses {variable}");
    }
    assert!(used.iter().all(|name| variables.contains(name)), "{used:?} of {variables:?}");
    let resources = labels(&read["resource"], 2);
    assert_eq!(resources, ["aws_route53_health_check.ready", "aws_route53_record.site"]);
    let checks = named(&text, "= aws_route53_health_check.");
    assert_eq!(checks, ["ready"], "what the record asks about its instances");
    let check = &read["resource"][0]["\"aws_route53_health_check\""]["\"ready\""];
    assert_eq!(check["resource_path"], "\"/readyz?site=${urlencode(var.site)}\"");
    let dir = tempfile::tempdir().unwrap();
    let slip = dir.path().join("main.tf");
    std::fs::write(&slip, text.replacen('}', "", 1)).unwrap();
    assert!(terraform(&slip).await.is_none(), "a brace is missing");
}
