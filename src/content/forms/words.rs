//! The words by which forms are known, in the languages of most sites. They are looked for in text that [`spell`] has written:
//! lower case, words between single blanks. A blank in a word is a word's border: `" pay "` is not in “payload”, `" reserv"`
//! begins “reservation”; Japanese has no borders.

/// Writes a text as words: `newsletterForm_2` as ` newsletter form 2 `.
pub(super) fn spell(out: &mut String, text: &str) {
    if !out.ends_with(' ') {
        out.push(' ');
    }
    let mut before = ' ';
    for c in text.chars() {
        let is_hump = before.is_ascii_lowercase() && c.is_ascii_uppercase();
        if (is_hump || !c.is_alphanumeric()) && !out.ends_with(' ') {
            out.push(' ');
        }
        if c.is_alphanumeric() {
            out.extend(c.to_lowercase());
        }
        before = c;
    }
    if !out.ends_with(' ') {
        out.push(' ');
    }
}

/// Whether one of the words is in a text that [`spell`] has written.
pub(super) fn has(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| text.contains(word))
}

// What is never kept.

/// German “anmelden” is not among them: it is the word on the button of every newsletter, too.
pub(super) const LOGIN: &[&str] = &[
    " login", " log in ", " logon ", " signin", " sign in ", " session ", " sessions ", " auth ", " authenticat", " sso ",
    "ログイン", "サインイン", "ログオン", " einloggen", " connexion ", " se connecter", " iniciar sesion", " iniciar sesión",
    " acceder ", " accedi ", " entrar ", " fazer login",
];
pub(super) const PASSWORD: &[&str] = &[
    " password", " passwort", " passwd", " lostpassword", " forgot", " otp ", " one time code", " 2fa ", " mfa ", " two factor",
    " verification code", "パスワード", "暗証番号", "認証コード", "確認コード", " mot de passe", " contrasena",
    " contraseña", " senha ", " pwd ", " passcode",
];
pub(super) const PAYMENT: &[&str] = &[
    " payment", " pay ", " checkout", " paypal", " stripe", " billing", " donat", "決済", "支払", "ご寄付", "寄付する",
    " paiement", " zahlung", " bezahl", " spenden ", " pago ", " pagar", " pagamento", " faire un don",
];
/// Of fields: an order may say how it will be paid, but not with which card.
pub(super) const CARD: &[&str] = &[
    " card number", " cardnumber", " card no ", " cc number", " cc exp", " cc csc", " cc name", " creditcard", " credit card",
    " cvv", " cvc ", " iban ", " security code", "カード番号", "セキュリティコード", "クレジットカード", "口座番号", " kreditkarte",
    " carte bancaire", " carte de credit", " tarjeta", " carta di credito", " numero do cartao", " account number",
];
pub(super) const ACCOUNT: &[&str] = &[
    " account", " woocommerce register", " wp signup", "アカウント", "会員登録", "新規会員", "マイページ", " konto ", " kundenkonto",
    " compte ", " cuenta ", " conta ", " profile", " profil ", " mypage",
];
pub(super) const SESSION: &[&str] = &[
    " logout", " log out ", " logoff ", " signout", " sign out ", "ログアウト", " abmelden ", " deconnexion", " déconnexion",
    " cart ", " basket ", " add to cart", " add to bag", " wishlist", "カート", "買い物かご", "かごに入れる", " warenkorb", " panier ",
    " carrito", " carrello", " carrinho", " settings ", " preferences", " admin ", " administrat", " delete", "削除", " remove",
    " unsubscribe", " opt out", "配信停止", "解除", "退会", " cancel ", " cancellation", "キャンセル", " edit ", "編集", " update ", " vote ",
    " poll ", " consent ", " cookie", " setlang ", " language ", " locale ", " currency ", " moderat", " publish ",
];
pub(super) const SEARCH: &[&str] =
    &[" search", "検索", " suche", " recherche", " buscar ", " busca ", " cerca ", " pesquisa", " find "];
/// Names of the one field of a search, whole.
pub(super) const SEARCH_NAMES: [&str; 13] = [
    "s", "q", "query", "search", "keyword", "keywords", "kw", "term", "terms", "searchword", "search_query", "search_text",
    "wd",
];

// What may be kept.

pub(super) const COMMENT: &[&str] = &[
    " comment", " leave a reply", " reply ", " guestbook", "コメント", "返信", " kommentar", " gästebuch", " comentario", " comentário",
    " commento", " commenti ", "掲示板", "ゲストブック",
];
pub(super) const NEWSLETTER: &[&str] = &[
    " newsletter", " subscribe", " subscription", " subscriber", " mailing", " mailinglist", " mailchimp", " mc4wp",
    " mc embedded", "メルマガ", "メールマガジン", "ニュースレター", "購読", "メール会員", " abonnier", " abonne", " s abonner", " suscri",
    " boletin", " boletín", " infolettre", " subscrev", " assine ", " email updates",
];
pub(super) const BOOKING: &[&str] = &[
    " booking", " book ", " reserv", " réserv", " appointment", " yoyaku", "予約", " termin ", " terminanfrage", " buchung",
    " buchen ", " prenot", " cita ", " rendez vous", " marcação", " agendar", "来店", "見学申", "体験申",
];
pub(super) const ORDER: &[&str] = &[
    " order ", " orders ", " orderform", " order form", "注文", "発注", "オーダー", " bestell", " commande", " commander", " pedido",
    " ordine ", " ordinare", " encomend", " purchase request",
];
pub(super) const CONTACT: &[&str] = &[
    " contact", " inquiry", " inquiries", " enquiry", " enquiries", " toiawase", " otoiawase", " feedback", " message", " get in touch",
    " quote ", " estimate ", " ask ", " support ", "問い合", "問合", "ご相談", "資料請求", "見積", "ご意見", "メールフォーム", " mailform",
    " formmail", " kontakt", " anfrage", " nachricht", " contacto", " contatt", " contato", " contactez", " mensaje", " messaggio",
    " mensagem", " callback", " call back",
];
pub(super) const SIGN_UP: &[&str] = &[
    " signup", " sign up", " register", " registration", " registrat", " rsvp", " enrol", " apply ", " application", " join ",
    " waitlist", " waiting list", " entry ", " entryform", "申込", "申し込", "申込み", "登録", "応募", "エントリー", "参加", " anmeldung",
    " anmeldeformular", " inscri", " iscri", " moushikomi",
];

// What a field is for.

pub(super) const EMAIL: &[&str] =
    &[" email", " e mail", " mail", "メール", " courriel", " correo", " posta elettronica", "ｅメール"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_borders() {
        let mut out = String::new();
        spell(&mut out, "newsletterForm_2");
        spell(&mut out, "--Réserver/お問い合わせ!");
        spell(&mut out, "");
        assert_eq!(out, " newsletter form 2 réserver お問い合わせ ");
        for (text, word, expected) in [
            ("payload", " pay ", false),
            ("Pay now", " pay ", true),
            ("wp-comments-post.php", " comment", true),
            ("recommended", " comment", false),
            ("ご予約フォーム", "予約", true),
            ("borderline", " order ", false),
            ("orderForm", " order ", true),
        ] {
            let mut out = String::new();
            spell(&mut out, text);
            assert_eq!(has(&out, &[word]), expected, "{text}");
        }
    }
}
