//! Forms as sites have them, in short: what each is taken for.

use super::FormKind::{self, *};

/// A form, and what is to be known of it.
pub(super) struct Sample {
    pub(super) name: &'static str,
    /// The page that it stands on.
    pub(super) page: &'static str,
    pub(super) html: &'static str,
    pub(super) kind: FormKind,
    pub(super) tokens: &'static [&'static str],
    pub(super) has_captcha: bool,
}

const fn sample(name: &'static str, page: &'static str, html: &'static str, kind: FormKind) -> Sample {
    Sample { name, page, html, kind, tokens: &[], has_captcha: false }
}

const fn with_tokens(sample: Sample, tokens: &'static [&'static str]) -> Sample {
    Sample { tokens, ..sample }
}

const fn with_captcha(sample: Sample) -> Sample {
    Sample { has_captcha: true, ..sample }
}

/// Those that may be kept.
pub(super) const KEPT: &[Sample] = &[
    with_tokens(sample("WordPress comment", "/hello/", r#"<h3 id="reply-title">Leave a Reply</h3>
        <form action="https://www.example.jp/wp-comments-post.php" method="post" id="commentform" class="comment-form">
        <p><label for="comment">Comment</label> <textarea id="comment" name="comment" required></textarea></p>
        <input id="author" name="author"><input id="email" name="email" type="email">
        <input name="submit" type="submit" id="submit" value="Post Comment">
        <input type="hidden" name="comment_post_ID" value="1"><input type="hidden" name="comment_parent" value="0">
        <input type="hidden" name="akismet_comment_nonce" value="5d"><input type="hidden" name="ak_js" value="17">
        </form>"#, Comment), &["akismet_comment_nonce", "ak_js"]),
    sample("Contact Form 7", "/contact/", r#"<form action="/contact/#wpcf7-f5-p9-o1" method="post" class="wpcf7-form init">
        <input type="hidden" name="_wpcf7" value="5"><input type="hidden" name="_wpcf7_locale" value="ja">
        <label>Your name <input name="your-name"></label><label>Your email <input type="email" name="your-email"></label>
        <textarea name="your-message"></textarea><input class="wpcf7-submit" type="submit" value="Submit"></form>"#, Contact),
    with_captcha(sample("Contact Form 7 with reCAPTCHA", "/contact/", r#"<form action="/contact/" method="post"
        class="wpcf7-form"><input type="hidden" name="_wpcf7" value="5">
        <input type="hidden" name="_wpcf7_recaptcha_response"><input type="email" name="your-email">
        <textarea name="your-message"></textarea><input type="submit" value="Send"></form>"#, Contact)),
    with_captcha(sample("hCaptcha", "/inquiry", r#"<form method="post" action="/inquiry"><input name="email">
        <textarea name="body"></textarea><div class="h-captcha" data-sitekey="x"></div><button>Send</button></form>"#, Contact)),
    sample("WPForms", "/about/", r#"<form method="post" enctype="multipart/form-data" id="wpforms-form-7" class="wpforms-form">
        <input type="text" name="wpforms[fields][0]"><input type="email" name="wpforms[fields][1]">
        <textarea name="wpforms[fields][2]"></textarea><input type="hidden" name="wpforms[id]" value="7">
        <button type="submit" name="wpforms[submit]">Submit</button></form>"#, Contact),
    sample("Japanese CGI", "/form.html", r#"<h2>お問い合わせフォーム</h2><form action="/cgi-bin/postmail/postmail.cgi" method="post">
        <table><tr><th>お名前</th><td><input type="text" name="name"></td></tr>
        <tr><th>メールアドレス</th><td><input type="text" name="email"></td></tr>
        <tr><th>お問い合わせ内容</th><td><textarea name="comment"></textarea></td></tr></table>
        <input type="submit" value="送信する"><input type="reset" value="リセット"></form>"#, Contact),
    sample("Japanese application", "/seminar/apply.php", r#"<form action="confirm.php" method="post">
        <dl><dt>セミナーお申し込み</dt><dd>氏名<input name="item1"></dd><dd>フリガナ<input name="item2"></dd>
        <dd>電話<input name="item3"></dd></dl><input type="submit" value="申し込む"></form>"#, SignUp),
    sample("Japanese reservation", "/yoyaku/", r#"<h1>ご予約</h1><form action="/yoyaku/send" method="POST">
        <input type="date" name="d"><select name="n"><option>1名<option>2名</select>
        <input name="name" placeholder="お名前"><input name="tel" type="tel"><button type="submit">予約する</button></form>"#, Booking),
    sample("Japanese order", "/shop/order.html", r#"<form action="/cgi-bin/order.cgi" method="post">
        商品 <select name="item"><option>りんご</select> 数量 <input type="number" name="count">
        お名前 <input name="name"> ご住所 <input name="address"> お支払い方法
        <select name="pay"><option>銀行振込<option>代金引換</select><input type="submit" value="注文する"></form>"#, Order),
    sample("Japanese mail magazine", "/", r#"<form action="/merumaga/regist.php" method="post"><p>メルマガ登録</p>
        <input type="text" name="mail" placeholder="メールアドレス"><input type="submit" value="登録"></form>"#, SignUp),
    with_tokens(sample("Rails contact", "/contact/new", r#"<form class="new_message" id="new_message" action="/messages"
        accept-charset="UTF-8" method="post"><input type="hidden" name="authenticity_token" value="abc==">
        <input type="text" name="message[name]"><input type="email" name="message[email]">
        <textarea name="message[body]"></textarea><input type="submit" name="commit" value="Create Message"></form>"#,
        Contact), &["authenticity_token"]),
    with_tokens(sample("Django contact", "/contact/", r#"<form method="post"><input type="hidden"
        name="csrfmiddlewaretoken" value="x"><input name="subject"><input type="email" name="sender">
        <textarea name="message"></textarea><input type="submit" value="Submit"></form>"#, Contact),
        &["csrfmiddlewaretoken"]),
    with_tokens(sample("Laravel sign-up for an event", "/events/7", r#"<form action="/events/7/register" method="POST">
        <input type="hidden" name="_token" value="x"><input name="name"><input name="email" type="email">
        <button type="submit">Register</button></form>"#, SignUp), &["_token"]),
    sample("waiting list", "/", r#"<form action="/signup" method="post"><input type="email" name="email">
        <button>Join the waitlist</button></form>"#, SignUp),
    sample("newsletter", "/", r#"<form method="post" action="/newsletter/subscribe"><input type="email" name="email">
        <button>Subscribe</button></form>"#, Newsletter),
    with_tokens(sample("MC4WP", "/", r#"<form id="mc4wp-form-1" class="mc4wp-form" method="post" data-id="5"><input type="email" name="EMAIL">
        <input type="submit" value="Sign up"><input type="hidden" name="_mc4wp_form_id" value="5">
        <input type="hidden" name="_mc4wp_timestamp" value="17"></form>"#, Newsletter), &["_mc4wp_timestamp"]),
    sample("German newsletter", "/", r#"<h4>Newsletter</h4><form action="/nl" method="post">
        <input type="email" name="email" placeholder="E-Mail"><button>Anmelden</button></form>"#, Newsletter),
    sample("German contact", "/kontakt", r#"<form method="post" action="/kontakt"><input name="name"><input name="email">
        <textarea name="nachricht"></textarea><button>Absenden</button></form>"#, Contact),
    sample("French booking", "/reserver", r#"<form action="/demande" method="post"><legend>Réserver une table</legend>
        <input name="nom"><input name="telephone" type="tel"><button>Envoyer</button></form>"#, Booking),
    sample("Spanish order", "/tienda", r#"<form action="/pedido" method="post"><input name="nombre"><input name="telefono">
        <textarea name="productos"></textarea><button>Enviar</button></form>"#, Order),
    sample("Italian inscription", "/corsi", r#"<form action="/corsi/iscrizione" method="post"><input name="nome">
        <input name="email"><button>Invia</button></form>"#, SignUp),
    sample("Portuguese contact", "/contato", r#"<form method="post" action="/enviar"><input name="nome">
        <input type="email" name="email"><textarea name="mensagem"></textarea><button>Enviar</button></form>"#, Contact),
    sample("appointment of a clinic", "/", r#"<form action="/appointment" method="post"><input name="name">
        <input type="tel" name="phone"><input type="date" name="day"><button>Request appointment</button></form>"#, Booking),
    sample("without a word", "/x", r#"<form action="/send.php" method="post"><input name="n"><input type="email" name="e">
        <textarea name="t"></textarea><button>OK</button></form>"#, Contact),
];

/// Those that are never kept.
pub(super) const NEVER: &[Sample] = &[
    sample("WordPress login", "/wp-login.php", r#"<form name="loginform" id="loginform" action="/wp-login.php" method="post">
        <input type="text" name="log"><input type="password" name="pwd" autocomplete="current-password">
        <input type="submit" name="wp-submit" value="Log In"></form>"#, Login),
    sample("WordPress lost password", "/wp-login.php?action=lostpassword", r#"<form id="lostpasswordform" method="post"
        action="/wp-login.php?action=lostpassword"><input name="user_login"><input type="submit" value="Get New Password">
        </form>"#, Password),
    sample("WordPress search", "/", r#"<form role="search" method="get" class="search-form" action="/">
        <input type="search" name="s"><input type="submit" value="Search"></form>"#, Search),
    with_tokens(sample("WooCommerce cart", "/cart/", r#"<form class="woocommerce-cart-form" action="/cart/" method="post">
        <input type="number" name="cart[a1][qty]" value="1"><input name="coupon_code"><button name="update_cart">Update cart
        </button><input type="hidden" name="woocommerce-cart-nonce" value="x"></form>"#, Session),
        &["woocommerce-cart-nonce"]),
    sample("WooCommerce product", "/product/tea/", r#"<form class="cart" action="/product/tea/" method="post"
        enctype="multipart/form-data"><input type="number" name="quantity" value="1">
        <button type="submit" name="add-to-cart" value="7">Add to cart</button></form>"#, Session),
    sample("WooCommerce checkout", "/checkout/", r#"<form name="checkout" method="post" class="checkout" action="/checkout/">
        <input name="billing_first_name"><input type="email" name="billing_email"><textarea name="order_comments"></textarea>
        <button type="submit">Place order</button></form>"#, Payment),
    sample("card", "/order", r#"<form action="/order" method="post"><input name="name"><input name="n" autocomplete="cc-number">
        <button>Order</button></form>"#, Payment),
    sample("Japanese card", "/order", r#"<form action="/order" method="post">お名前<input name="n">カード番号<input name="c">
        <input type="submit" value="注文"></form>"#, Payment),
    sample("donation", "/give", r#"<form action="/donate" method="post"><input name="name"><input type="email" name="email">
        <input type="number" name="amount"><button>Give</button></form>"#, Payment),
    with_tokens(sample("Django admin", "/admin/login/", r#"<form action="/admin/login/?next=/admin/" method="post"
        id="login-form"><input type="hidden" name="csrfmiddlewaretoken" value="x"><input name="username">
        <input type="password" name="password"><input type="submit" value="Log in"></form>"#, Login),
        &["csrfmiddlewaretoken"]),
    with_tokens(sample("Devise sign-up", "/users/sign_up", r#"<form class="new_user" id="new_user" action="/users"
        method="post"><input type="hidden" name="authenticity_token" value="x"><input type="email" name="user[email]">
        <input type="password" name="user[password]"><input type="password" name="user[password_confirmation]">
        <input type="submit" value="Sign up"></form>"#, Account), &["authenticity_token"]),
    sample("new password", "/join", r#"<form method="post" action="/join"><input type="email" name="email">
        <input type="password" autocomplete="new-password" name="p"><button>Join</button></form>"#, Account),
    sample("members' registration", "/", r#"<form method="post" action="/entry"><input type="email" name="email">
        <input type="submit" value="会員登録"></form>"#, Account),
    sample("MediaWiki search", "/wiki/", r#"<form action="/w/index.php" id="searchform"><input type="search" name="search">
        <input type="hidden" name="title" value="Special:Search"><input type="submit" name="go" value="Go"></form>"#, Search),
    with_tokens(sample("MediaWiki edit", "/w/index.php?title=A&action=edit", r#"<form id="editform" method="post"
        action="/w/index.php?title=A&amp;action=submit" enctype="multipart/form-data"><textarea name="wpTextbox1"></textarea>
        <input name="wpSummary"><input type="submit" name="wpSave" value="Save changes">
        <input type="hidden" name="wpEditToken" value="+\"></form>"#, Session), &["wpEditToken"]),
    sample("POST search", "/", r#"<form method="post" action="/find"><input name="q"><button>Go</button></form>"#, Search),
    sample("Japanese search", "/", r#"<form method="post" action="/list.cgi"><input name="w"><input type="submit" value="検索">
        </form>"#, Search),
    sample("filter", "/list", r#"<form action="/list"><select name="color"></select><input name="min"><input name="max">
        <button>Show</button></form>"#, Other),
    sample("Mailchimp", "/", r#"<form action="https://x.us1.list-manage.com/subscribe/post?u=1&amp;id=2" method="post"
        class="validate"><input type="email" name="EMAIL"><input type="submit" value="Subscribe"></form>"#, ElsewhereHost),
    sample("Google Form", "/", r#"<form action="https://docs.google.com/forms/d/e/1F/formResponse" method="post">
        <input name="entry.1"><textarea name="entry.2"></textarea><button>Send</button></form>"#, ElsewhereHost),
    sample("mailto", "/contact", r#"<form action="mailto:a@example.jp" method="post" enctype="text/plain"><input name="name">
        <textarea name="message"></textarea><input type="submit"></form>"#, Other),
    sample("script alone", "/contact", r#"<form class="contact" onsubmit="send(event)"><input name="name"><input type="email"
        name="email"><textarea name="message"></textarea><button>Send</button></form>"#, Other),
    sample("dialog", "/", r#"<form method="dialog"><input name="a"><button>Close</button></form>"#, Other),
    sample("file", "/jobs", r#"<form action="/apply" method="post" enctype="multipart/form-data"><input name="name">
        <input type="email" name="email"><input type="file" name="cv"><button>Apply</button></form>"#, Upload),
    sample("logout", "/", r#"<form action="/logout" method="post"><button>Bye</button></form>"#, Session),
    sample("Rails delete", "/posts/1", r#"<form class="button_to" method="post" action="/posts/1"><input type="hidden"
        name="_method" value="delete"><button>x</button></form>"#, Session),
    sample("settings", "/me", r#"<form method="post" action="/settings"><input name="name"><textarea name="about"></textarea>
        <button>Save</button></form>"#, Session),
    sample("language", "/", r#"<form action="/i18n/setlang/" method="post"><select name="language"></select><button>Go
        </button></form>"#, Session),
    sample("unsubscribe", "/", r#"<form method="post" action="/newsletter/unsubscribe"><input type="email" name="email">
        <button>Unsubscribe</button></form>"#, Session),
    sample("login by mail", "/start", r#"<form method="post" action="/sessions"><input type="email" name="email">
        <button>Continue</button></form>"#, Login),
    sample("address alone", "/start", r#"<form method="post" action="/go"><input type="email" name="email">
        <button>Continue</button></form>"#, Other),
    sample("code", "/check", r#"<form method="post" action="/check"><input name="c" autocomplete="one-time-code">
        <button>OK</button></form>"#, Password),
    sample("Japanese login", "/", r#"<form method="post" action="/top"><input name="id">パスワード<input name="pw">
        <input type="submit" value="ログイン"></form>"#, Password),
    sample("two ways out", "/x", r#"<form method="post" action="/contact"><input type="email" name="email"><textarea name="m">
        </textarea><button>Send</button><button formaction="/draft">Keep</button></form>"#, Other),
    sample("nothing to fill in", "/x", r#"<form method="post" action="/contact"><button>Call me</button></form>"#, Other),
    with_tokens(sample("WebForms", "/Default.aspx", r#"<form method="post" action="./Default.aspx" id="aspnetForm">
        <input type="hidden" name="__VIEWSTATE" value="/w"><input type="hidden" name="__EVENTVALIDATION" value="/w">
        <input name="ctl00$user"><input type="password" name="ctl00$pass"><input type="submit" value="Go"></form>"#, Login),
        &["__VIEWSTATE", "__EVENTVALIDATION"]),
];
