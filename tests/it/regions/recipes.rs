//! The recipe for two machines in one place, as keepalived itself reads it.

use std::process::Command;

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
