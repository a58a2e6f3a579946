//! What a crawl finds of the site's forms, and what the operator is told of them.

use serde_json::{Value, json};

use crate::support::{Config, Edge, Page, fixture};

const FIVE: &str = "<title>forms</title><h1>Write to us</h1>\
    <form method=post action=/contact><input type=hidden name=_token value=secret-of-one-visitor>\
    <input name=name><input type=email name=email><textarea name=message></textarea><button>Send</button></form>\
    <form method=post action=/newsletter><input type=email name=email><button>Subscribe</button></form>\
    <form action=/search><input name=q><button>Find</button></form>\
    <form method=post action=/login><input name=user><input type=password name=p><button>Log in</button></form>\
    <form method=post action=https://pay.example/order><input name=n><input name=a autocomplete=cc-number></form>";

#[tokio::test]
async fn the_forms_of_a_site_are_listed_with_and_without_an_instance() {
    let origin = fixture::shop().await;
    origin.page("/about", Page::html("<p>see <a href=/forms>this</a> and <a href=/again>that</a></p>"));
    origin.page("/forms", Page::html(FIVE));
    origin.page("/again", Page::html(FIVE));
    let mut edge = Edge::start(Config::before(&origin.url())).await;
    edge.until_snapshot().await;
    edge.cli(&["snapshot", "take"]).await.must_be_ok();

    let list = edge.cli(&["forms", "list", "--found", "--json"]).await.must_be_ok().json();
    assert_eq!((&list[0]["site"], &list[0]["left_out"]), (&json!("shop"), &json!(0)), "{list}");
    let forms = list[0]["forms"].as_array().expect("forms").clone();
    let of = |path: &str| -> Value {
        forms
            .iter()
            .find(|form| form["path"] == path)
            .unwrap_or_else(|| panic!("no {path} in {list}"))
            .clone()
    };
    for (path, kind, may_be_kept) in [
        ("/contact", "contact", true),
        ("/newsletter", "newsletter", true),
        ("/search", "search", false),
        ("/login", "login", false),
        ("//pay.example/order", "payment", false),
    ] {
        let form = of(path);
        assert_eq!((&form["kind"], &form["may_be_kept"]), (&json!(kind), &json!(may_be_kept)), "{form}");
        assert_eq!(form["pages"], 2, "{form}");
    }
    assert_eq!(of("/contact")["tokens"], json!(["_token"]));
    let id = edge.snapshot_id().await.expect("a snapshot");
    let file = edge.state_dir().join("snapshots/shop").join(&id).join("forms.json");
    let written = std::fs::read_to_string(&file).expect("forms.json");
    assert!(written.contains("_token") && !written.contains("secret-of-one-visitor"), "{written}");

    edge.kill();
    let said = edge.cli_offline(&["forms", "list", "--found", "shop"]).await.must_be_ok();
    for path in ["/contact", "/newsletter"] {
        let paste = format!("[[site.form]]\npath = \"{path}\"\npage = ");
        assert!(said.out.contains(&paste), "{}", said.out);
    }
    assert!(
        !said.out.contains("path = \"/login\"") && said.out.contains("it asks for a password"),
        "{}",
        said.out
    );
    let wrong = edge.cli_offline(&["forms", "list", "--found", "other"]).await;
    assert!(wrong.code == 1 && wrong.err.contains("there is no site"), "{}", wrong.err);
    let kept = edge.cli_offline(&["forms", "list"]).await.must_be_ok();
    assert!(kept.out.contains("no forms are kept"), "{}", kept.out);
    assert!(!edge.state_dir().join("forms").exists(), "a look makes nothing");

    // A snapshot of an earlier version has no such file.
    std::fs::remove_file(&file).unwrap();
    let old = edge.cli_offline(&["forms", "list", "--found"]).await.must_be_ok();
    assert!(old.out.contains("older than the search for forms"), "{}", old.out);
}
