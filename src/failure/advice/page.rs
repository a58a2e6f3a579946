//! Answers that look well and are not the site.

super::advice! {
    DATABASE_ERROR:
        "The site cannot reach its database and says so on its pages. The database has stopped, its disk is full, or its password has changed.",
        "Restart the database on the server, check the free space on its disk, and check the site's database settings (in WordPress: wp-config.php).",
        "サイトがデータベースに接続できず、ページにエラーを表示しています。データベースの停止、容量不足、パスワードの変更が考えられます。",
        "サーバーでデータベースを再起動し、ディスクの空きと、サイトの接続設定（WordPressでは wp-config.php）をご確認ください。";
    PHP_ERROR:
        "PHP shows an error instead of the page. The usual reason is an update of a plug-in, a theme or PHP itself.",
        "Undo the last update; the error message names the file. In WordPress, rename the folder of the plug-in that it names.",
        "ページの代わりに、PHPのエラーが表示されています。プラグイン、テーマ、PHP本体の更新が主な原因です。",
        "エラーに書かれたファイルを手がかりに、直前の更新を元に戻してください。WordPressでは、該当するプラグインのフォルダー名を変えると無効にできます。";
    APPLICATION_ERROR:
        "The program behind the site shows its error page instead of the page.",
        "Read the program's own log at that time, and roll back its last release.",
        "サイトのプログラムが、ページの代わりにエラー画面を返しています。",
        "その時刻のプログラムのログを確認し、直前のリリースを元に戻してください。";
    EMPTY_PAGE:
        "The site answers with an empty page where there was text. With PHP, this is an error that is not displayed (the white screen).",
        "Read PHP's error log. Usually memory has run out, or the last update has a bug.",
        "内容のあったページが、空の状態で返されています。PHPでは、表示されないエラー（真っ白な画面）であることがほとんどです。",
        "PHPのエラーログをご確認ください。メモリー不足か、直前の更新の不具合がよくある原因です。";
    TRUNCATED_PAGE:
        "Pages end in the middle, although the server announces no more than it sends. The program stops while it builds them.",
        "Read the program's error log, and look for a full disk or a full cache on the server.",
        "ページが途中で終わっています。プログラムが、ページの作成中に停止していると考えられます。",
        "プログラムのエラーログと、サーバーのディスクやキャッシュの空きをご確認ください。";
    SUSPENDED:
        "The host has suspended the site's account and shows its own page instead. A bill is unpaid, or somebody has complained.",
        "Call the host, and look for its messages in your mail, including the spam folder.",
        "ホスティング会社がアカウントを停止し、代わりに自社のページを表示しています。料金の未払いか、規約違反の指摘が考えられます。",
        "ホスティング会社にご連絡のうえ、届いているメールを迷惑メールも含めてご確認ください。";
    QUOTA_EXCEEDED:
        "The host shows a page saying that the site has used up its traffic or its disk space.",
        "See in the host's control panel what used it up. Then buy more there, or wait until the billing period ends.",
        "転送量や容量の上限を超えたため、ホスティング会社のページが表示されています。",
        "何が上限を使い切ったかを管理画面で確認し、追加購入するか、期間が切り替わるまでお待ちください。";
    DEFAULT_PAGE:
        "The server shows the default page of a machine without a site. The site's settings are gone, or its name points to another server.",
        "Check on the server that the site is set up for this name and has the right folder. Then check whether somebody has reinstalled the machine.",
        "サーバーが、サイト設定前の初期ページを表示しています。サイトの設定が失われたか、名前が別のサーバーを指しています。",
        "サーバーで、この名前のサイト設定と公開フォルダーをご確認ください。サーバーが初期化されていないかもお調べください。";
    PARKING:
        "A page that offers the domain for sale, or advertises on it, answers instead of the site. The domain has expired, or points to a parking service.",
        "Renew the domain at your registrar today: after a few weeks, somebody else may buy it. Then check its DNS records.",
        "サイトの代わりに、ドメインの販売や広告のページが表示されています。ドメインの期限切れか、ドメインパーキングへの誤った設定が考えられます。",
        "本日中にドメイン管理会社で更新してください。数週間で他人に取得されるおそれがあります。その後、DNSレコードをご確認ください。";
    DIRECTORY_LISTING:
        "The server lists files where there was a page. The index file (index.html, index.php) is gone, or PHP is off.",
        "Put the file back, and turn directory listings off on the server: they show visitors files that are not for them.",
        "ページのあった場所に、ファイルの一覧が表示されています。トップのファイル（index.html、index.php）がないか、PHPが無効になっています。",
        "ファイルを元に戻してください。内部のファイルが見えてしまうため、サーバーの一覧表示機能も無効にしてください。";
    BOT_WALL:
        "Something in front of the site takes Katahai for a robot and shows it a test (a CAPTCHA) instead of the page.",
        "Ask the host or the CDN to allow this machine's address.",
        "サイトの前段の防御機能がKatahaiをロボットと判断し、ページの代わりに確認画面（CAPTCHAなど）を返しています。",
        "ホスティング会社やCDNの設定で、このマシンのアドレスを許可してください。";
    GATEWAY_ERROR:
        "A proxy or load balancer in front of the site shows its own error page. The server behind it does not answer.",
        "Check the server behind it first, then the proxy's log.",
        "サイトの前段にあるプロキシーやロードバランサーが、エラーページを返しています。その先のサーバーが応答していません。",
        "まずその先のサーバーを、次にプロキシーのログをご確認ください。";
    UNKNOWN_TO_HOST:
        "The host or CDN answers that it has no site of this name. Somebody removed the site there, or never added it.",
        "Add the name again in the control panel of the host or CDN, and check there whether the plan has ended.",
        "ホスティング会社やCDNが、この名前のサイトは登録されていないと応答しています。登録が削除された可能性があります。",
        "管理画面で名前を登録し直し、契約が終了していないかをご確認ください。";
    MAINTENANCE:
        "Every page of the site shows the maintenance notice.",
        "If somebody is working on it, do nothing. Otherwise turn maintenance mode off in the site's administration.",
        "サイト全体が、メンテナンス中の表示になっています。",
        "作業中であれば、対応は不要です。そうでなければ、サイトの管理画面でメンテナンスモードを解除してください。";
    DEFACED:
        "Somebody has broken in and replaced the pages. Visitors do not get the replaced pages.",
        "Take the server off the network, change all passwords, and restore the site from a backup made before the break-in. If there is a snapshot, pin it: \"katahai snapshot pin current\".",
        "第三者の侵入により、ページが書き換えられています。書き換えられたページは、訪問者にはお見せしていません。",
        "サーバーをネットワークから切り離し、パスワードをすべて変更して、侵入前のバックアップから復元してください。スナップショットがあれば、「katahai snapshot pin current」で保護できます。";
    FOREIGN_REDIRECT:
        "The site redirects visitors to a domain that is not its own. This is common after a break-in, but may also be a mistake in its settings.",
        "If this is not intended, check .htaccess and the address in the site's settings. If the site has moved there, add the domain to \"moved_to\" under [site.failover].",
        "サイトが、訪問者を別のドメインへ転送しています。不正侵入でよく見られますが、設定の誤りのこともあります。",
        "心当たりがなければ、.htaccessとサイトのURL設定をご確認ください。サイトを移転したのであれば、設定の [site.failover] の moved_to にそのドメインを加えてください。";
    REDIRECT_LOOP:
        "The site redirects to the address that was just requested, or to pages that lead back to it. A browser goes round in circles and gives up.",
        "Usually \"force HTTPS\" was switched on. Make the site honour X-Forwarded-Proto (WordPress: set HTTPS in wp-config.php), or give \"origin\" an https:// address.",
        "サイトが、アクセスされたアドレスそのもの、またはそこへ戻ってくるページへ転送を返しています。ブラウザーでは転送が繰り返され、表示できません。",
        "多くは「常時SSL化」の設定が原因です。サイト側で X-Forwarded-Proto を見るように設定する（WordPressでは wp-config.php でHTTPSを有効にする）か、設定の origin を https:// で始まるアドレスにしてください。";
    SOFT_MISSING:
        "The site shows its \"not found\" page where there was a page, but with a success status (200).",
        "Check whether the page was removed or its address has changed. If it is gone for good, make the site answer 404.",
        "ページのあった場所に、正常のステータス（200）のまま「見つかりません」のページが表示されています。",
        "ページの削除やURLの変更がないかをご確認ください。削除した場合は、404を返すように設定してください。";
    UNIFORM:
        "Several addresses that each had a page of their own now show one and the same page; sometimes random addresses show it, too. It is a setup page, a page of the host, or another site.",
        "Open several pages on the server itself. Often a data disk is not mounted, or the server answers with another site. If the change is intended, publish a new snapshot by hand.",
        "別々の内容だった複数のページが、すべて同じ1つのページになっています。初期設定画面、ホスティング会社の画面、または別のサイトが表示されている可能性があります。",
        "サーバー上で複数のページを直接開いてご確認ください。データ用のディスクが接続されていないか、サーバーが別のサイトとして応答していることがよくあります。意図した変更であれば、新しいスナップショットを手動で公開してください。";
    ODD_ANSWER:
        "Where the copy has a page, the server answers with something that cannot be one: no content, part of a file, binary data, a download, or a redirect without a target.",
        "Request the page from the server with \"curl -i\". Then check the last change to the server's settings: media types, PHP, compression, URL rules.",
        "ページのあった場所で、サーバーがページではないもの（空の応答、ファイルの一部、バイナリデータ、ダウンロード用ファイル、行き先のない転送）を返しています。",
        "「curl -i」でサーバーの応答を直接ご確認ください。MIMEタイプ、PHP、圧縮、URLの書き換えなど、サーバー設定の直前の変更をお調べください。";
    EMPTIED:
        "The site answers every address with the same page: its content is gone. The database is empty, or another site answers.",
        "Restore the site from its backup. If there is none but there is a snapshot, \"katahai snapshot export\" writes the newest one to a folder.",
        "どのURLにも同じページが返され、サイトの内容が失われています。データベースが空になったか、別のサイトが応答しています。",
        "バックアップから復元してください。バックアップがない場合は、スナップショットがあれば「katahai snapshot export」でフォルダーに書き出せます。";
    TEXT_MISSING:
        "Pages lack the text that your configuration expects on them (\"expect_text\").",
        "Open the page. If it is as it should be, its text has changed: correct \"expect_text\" and run \"katahai reload\".",
        "設定の expect_text で指定した文字列が、ページに含まれていません。",
        "ページをご確認ください。正常であれば文面が変わっていますので、expect_text を直して「katahai reload」を実行してください。";
    TEXT_REJECTED:
        "Pages contain a text that your configuration rejects (\"reject_text\").",
        "Check the page and the site's log. If the text is harmless, remove it from \"reject_text\" and run \"katahai reload\".",
        "設定の reject_text で拒否した文字列が、ページに含まれています。",
        "ページとサイトのログをご確認ください。問題のない文字列であれば、reject_text から外して「katahai reload」を実行してください。";
    WRONG_PAGE:
        "The answer matches one of your own fingerprints of pages that are not the site.",
        "Open the page itself on the server. If it is the site after all, correct your fingerprint file and run \"katahai reload\".",
        "独自に登録した判定パターンに一致し、このサイトのページではないと判断しました。",
        "サーバーで実際のページをご確認ください。正しいページであれば、判定パターンのファイルを直して「katahai reload」を実行してください。";
}
