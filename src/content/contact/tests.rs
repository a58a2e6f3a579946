//! What of a page is taken for its site's own, and what is not.

use super::*;
use proptest::prelude::*;

fn read(html: &str) -> String {
    let contact = Contact::read(&Document::new(html.as_bytes(), Some("text/html; charset=utf-8")));
    let telephones = contact.telephones.iter().map(|tel| format!("{}={}", tel.shown, tel.dialled));
    telephones.chain(contact.mails).chain(contact.places).collect::<Vec<_>>().join(" | ")
}

#[test]
fn what_a_page_shows_is_found() {
    for (html, expected) in [
        ("<a href='tel:+81-3-1234-5678'>03-1234-5678</a>", "03-1234-5678=+81312345678"),
        ("<a href=tel:+81120999999>お電話は<img src=tel.png></a>", "0120999999=+81120999999"),
        ("<a href=tel:0120999999>お電話はこちら</a>", "0120999999=0120999999"),
        ("<a href='tel:03-1234-5678;ext=1'><img src=tel.png></a>", "0312345678=0312345678"),
        ("<a href='mailto:hello@shop.example?subject=x'>Mail</a>", "hello@shop.example"),
        ("<p>TEL：０３－１２３４－５６７８", "03-1234-5678=0312345678"),
        ("<dl><dt>電話番号</dt><dd>0120-123-456</dd></dl>", "0120-123-456=0120123456"),
        ("<p>Tel. 090-1234-5678 / FAX 03-1234-9999", "090-1234-5678=09012345678"),
        ("<p>電話 045(123)4567", "045(123)4567=0451234567"),
        (
            "<address>〒047-0007 北海道小樽市港町1-2<br>TEL 0134-12-3456</address>",
            "0134-12-3456=0134123456 | 〒047-0007 北海道小樽市港町1-2",
        ),
        ("<address>12 Harbour Street, Otaru 047-0007</address>", "12 Harbour Street, Otaru 047-0007"),
        // the same number once
        ("<a href='tel:+81312345678'>03-1234-5678</a> 電話 03-1234-5678", "03-1234-5678=+81312345678"),
        ("<p>FAX<a href=tel:0312345678>03-1234-5678</a>", ""),
        ("<a href=tel:0312345678>FAX 03-1234-5678</a>", ""),
    ] {
        assert_eq!(read(html), expected, "{html}");
    }
}

#[test]
fn what_is_not_certain_is_left_out() {
    for html in [
        "03-1234-5678",
        "hotel 03-1234-5678",
        "注文番号 0123-4567-8901",
        "電話 0312345678",
        "電話 1234-56-7890",
        "電話はお気軽に。受付番号は 03-1234-5678",
        "<address>© 2026 Shop</address>",
        "<address>By <a href=/a>Mr Abe</a>, 12 May</address>".replace(", 12 May", "").as_str(),
        "<a href='mailto:?subject=x'>share</a><a href='mailto:a@b'>x</a><a href=\"mailto:'a@b.example\">x</a>",
        "<a href=tel:110>110</a><a href='tel:call-me'>x</a>",
        "<script>tel='TEL 03-1234-5678'</script><!-- TEL 03-1234-5678 --><template>TEL 03-1234-5678</template>",
    ] {
        assert_eq!(read(html), "", "{html}");
    }
}

#[test]
fn data_for_search_engines_counts_where_the_page_shows_it() {
    let data = "<script type=\"application/ld+json\">{\"@graph\":[{\"@type\":\"LocalBusiness\",\"telephone\":\"+81-3-1234-5678\",\
        \"email\":\"a@shop.example\",\"address\":{\"@type\":\"PostalAddress\",\"postalCode\":\"100-0001\",\
        \"addressRegion\":\"東京都\",\"addressLocality\":\"千代田区\",\"streetAddress\":\"千代田1-1\"}},\
        {\"@type\":\"Person\",\"telephone\":\"090-0000-1111\"}]}</script>";
    assert_eq!(read(data), "");
    let shown =
        format!("{data}<p>東京都千代田区千代田１－１ <b>03 (1234) 5678</b>, 090-0000-1111, a@shop.example");
    assert_eq!(
        read(&shown),
        "+81-3-1234-5678=+81312345678 | a@shop.example | 〒100-0001 東京都千代田区千代田1-1"
    );
}

#[test]
fn pages_that_may_have_it_are_known_by_address_or_name() {
    let html = "<a href=/>Home</a><a href=/company/outline>x</a><a href=/k>お<b>問い合わせ</b></a><a href=/news>News</a>\
        <a href=mailto:contact@a.example>Contact</a><a href='/k'>連絡先</a>";
    assert_eq!(
        links(&Document::new(html.as_bytes(), Some("text/html; charset=utf-8"))),
        ["/company/outline", "/k"]
    );
}

#[test]
fn what_stands_in_head_foot_or_address_goes_before_the_rest() {
    let footer = "<footer>TEL 03-1111-1111 <a href=mailto:a@shop.example>x</a></footer>";
    for (html, expected) in [
        ("<p>お問い合わせ 電話 03-2222-2222</p>FOOTER", "03-1111-1111=0311111111 | a@shop.example"),
        ("FOOTER<a href=tel:0322222222>x</a>", "03-1111-1111=0311111111 | a@shop.example"),
        ("<header><a href=tel:0333333333>x</a></header><p>電話 03-2222-2222", "0333333333=0333333333"),
        ("<address>電話 03-1234-5678</address><p>電話 03-2222-2222", "03-1234-5678=0312345678"),
        // an article's own
        (
            "<article><header>電話 03-3333-3333</header></article><p>電話 03-2222-2222",
            "03-3333-3333=0333333333 | 03-2222-2222=0322222222",
        ),
    ] {
        assert_eq!(read(&html.replace("FOOTER", footer)), expected, "{html}");
    }
}

#[test]
fn of_a_page_that_shows_many_nothing_is_taken() {
    let own = "<footer><a href=tel:0311111111>x</a></footer>";
    for others in [
        "<table><tr><td>A 03-2222-2222<tr><td>B 03-3333-3333</table>",
        "<a href=tel:0322222222>x</a><a href=tel:+81333333333>x</a>",
        "<a href=mailto:a@a.example>x</a><a href=mailto:b@b.example>x</a>",
        "<a href=mailto:a@a.example>x</a><p>b@b.example",
        "<address>東京都千代田区千代田1-1</address><address>東京都千代田区千代田1-2</address>\
         <address>東京都千代田区千代田1-3</address>",
    ] {
        assert_eq!(read(&format!("{own}{others}")), "", "{others}");
    }
    let few =
        "<p>TEL 03-1111-1111 / 0120-123-456, FAX 03-9999-9999, 2026-01-02, 0123-4567-8901, FAX: 03-9999-8888";
    assert_eq!(read(&format!("{own}{few}")), "0311111111=0311111111");
}

#[test]
fn of_several_pages_the_first_counts_and_there_is_a_bound() {
    let page = |html: &str| Contact::read(&Document::new(html.as_bytes(), None));
    let all = vec![
        page("<a href=tel:0311111111>x</a>"),
        page("<a href=tel:+81311111111>x</a><a href=tel:0322222222>x</a>"),
        page("<a href=tel:0333333333>x</a><a href=tel:0344444444>x</a>"),
    ];
    let all = Contact::of_site(all, std::iter::empty());
    let numbers: Vec<_> = all.telephones.iter().map(|tel| &*tel.dialled).collect();
    assert_eq!(numbers, ["0311111111", "0322222222", "0333333333"]);
}

#[test]
fn a_sites_own_mail_addresses_go_before_others() {
    let of = |mails: &[&str]| {
        let page = |mail: &&str| Contact { mails: vec![(*mail).to_owned()], ..Contact::default() };
        Contact::of_site(mails.iter().map(page).collect(), ["www.shop.example.jp"].into_iter()).mails
    };
    assert_eq!(of(&["a@gmail.example", "b@notshop.example.jp"]), ["a@gmail.example", "b@notshop.example.jp"]);
    for own in ["a@shop.example.jp", "a@mail.shop.example.jp", "a@example.jp", "a@SHOP.example.jp"] {
        assert_eq!(of(&["a@gmail.example", own]), [own]);
    }
}

proptest! {
    #[test]
    fn any_page_is_read(html in "(<address>|</address>|<a href=tel:03|>|電話|TEL|03-|1234-5678|<script type=application/ld\\+json>|\\{|</script>|－|あ){0,30}") {
        let _ = read(&html);
    }
}
