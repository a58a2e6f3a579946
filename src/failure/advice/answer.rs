//! Answers that break off, and statuses.

super::advice! {
    RESET:
        "The site's server closes connections without an answer. Its web server or the program behind it crashes, or a firewall cuts the connection.",
        "Read the web server's error log and the system log (\"journalctl -p err\"), and look for processes that the kernel killed because memory ran out.",
        "サイトのサーバーが、応答せずに接続を切断しています。Webサーバーやプログラムの異常終了、またはファイアウォールによる切断が考えられます。",
        "Webサーバーのエラーログと「journalctl -p err」をご確認ください。メモリー不足でプロセスが強制終了されていないかもお調べください。";
    NOT_HTTP:
        "Whatever listens on the server's port does not speak HTTP. Another program uses the port, or http and https are mixed up.",
        "Check the address and the scheme under \"origin\". Then see on the server which program listens on that port (\"ss -ltnp\").",
        "サーバーのポートで応答しているのは、HTTPではありません。別のプログラムがポートを使っているか、httpとhttpsを取り違えています。",
        "設定の origin のアドレスと http／https の別をご確認ください。サーバーでは「ss -ltnp」で、どのプログラムが待ち受けているかを確認できます。";
    SILENT:
        "The site's server accepts the request and does not answer in time. Usually the program waits for its database, or all its workers are busy.",
        "Check the server's load, slow database queries and the number of PHP workers. \"katahai status\" shows when it began.",
        "サイトのサーバーはリクエストを受け取りましたが、時間内に応答しません。データベース待ちか、処理プロセスの不足がよくある原因です。",
        "サーバーの負荷、遅いクエリー、PHPのワーカー数をご確認ください。いつから続いているかは「katahai status」で分かります。";
    BODY_STALLED:
        "The site's server stops sending in the middle of an answer. A program hangs, or the network drops large packets.",
        "Read the program's log at the time of the failure. If only large pages stop, ask the host to check its network.",
        "サイトのサーバーの応答が途中で止まります。プログラムが固まっているか、ネットワークの不調が考えられます。",
        "障害が起きた時刻のプログラムのログをご確認ください。大きなページだけが止まる場合は、ホスティング会社にネットワークの調査をご依頼ください。";
    BODY_CUT:
        "The site's server cuts its answers short: less arrives than it announced. A program crashes, or its disk is full.",
        "Check the free disk space on the server (\"df -h\"), then the error log of its web server.",
        "サイトのサーバーの応答が途中で切れ、予告された長さに足りません。プログラムの異常終了か、ディスクの空き不足が考えられます。",
        "サーバーの空き容量（「df -h」）とWebサーバーのエラーログをご確認ください。";
    SERVER_ERROR:
        "The site's program reports an error (500). The most common reason is the last change.",
        "Read the program's error log, and undo the last update of the site or of a plug-in.",
        "サイトのプログラムがエラー（500）を返しています。直前の更新が原因であることがほとんどです。",
        "プログラムのエラーログを確認し、直前に行ったサイトやプラグインの更新を元に戻してください。";
    BAD_GATEWAY:
        "The web server reports that the program behind it does not answer (502). The program has stopped, or it crashes again and again.",
        "Restart the program on the server (PHP-FPM, Node.js or another), and read its log to see why it stopped.",
        "Webサーバーが、後ろのプログラムから応答がないと報告しています（502）。プログラムが停止しているか、異常終了を繰り返しています。",
        "サーバーでプログラム（PHP-FPM、Node.jsなど）を再起動し、停止した理由をログでご確認ください。";
    UNAVAILABLE:
        "The site says that it is temporarily unavailable (503): it is under maintenance, or overloaded.",
        "If somebody is working on it, do nothing. Otherwise look for a maintenance mode that was left on (in WordPress: the file .maintenance), and check the load.",
        "サイトが一時的に利用できないと応答しています（503）。メンテナンス中か、過負荷の状態です。",
        "作業中であれば、対応は不要です。そうでなければ、メンテナンス設定の解除忘れ（WordPressでは .maintenance ファイル）と負荷をご確認ください。";
    GATEWAY_TIMEOUT:
        "The web server gave up waiting for the program behind it (504). The program is too slow, or it hangs.",
        "Look for slow database queries, and for outside services that the program waits for. If it hangs, restart it.",
        "Webサーバーが、後ろのプログラムの応答を待ちきれませんでした（504）。プログラムが遅いか、固まっています。",
        "遅いクエリーや、外部サービスの応答待ちがないかお調べください。固まっている場合はプログラムを再起動してください。";
    HOSTING_LIMIT:
        "The host says that the site has reached a limit of its plan (508 or 509): processes, memory or traffic.",
        "See in the host's control panel which limit it is, and upgrade the plan if you need more. A single robot that asks for too many pages can be the reason.",
        "ホスティング会社の利用上限（プロセス数・メモリー・転送量）に達しています（508・509）。",
        "管理画面でどの上限に達したかを確認し、プランの変更をご検討ください。特定のロボットによる大量アクセスが原因のこともあります。";
    CDN_ERROR:
        "The CDN in front of the site's server cannot reach it (520 to 530). The CDN works; the server behind it does not.",
        "Check the server behind the CDN first, then the CDN's status page. With the server's own address under \"origin\", Katahai bypasses the CDN.",
        "サイトの前段にあるCDNが、サーバーに接続できていません（520〜530）。CDNではなく、その先のサーバーの問題です。",
        "まずCDNの先にあるサーバーを、次にCDNの障害情報をご確認ください。設定の origin にサーバーのアドレスを書けば、CDNを通さずに接続できます。";
    BAD_STATUS:
        "The site answers with a status that your configuration treats as bad.",
        "\"katahai status\" shows it beside the origin; look it up in the site's own log. If it is right for this site, add it to \"expect_status\" under [site.health] for checks, or remove it from \"bad_status\" for pages.",
        "サイトが、設定で異常とみなすステータスを返しています。",
        "ステータスは「katahai status」の元のサーバーの行に表示されます。サイト側のログをお調べください。正常な応答であれば、確認用には [site.health] の expect_status に加え、ページについては bad_status から外してください。";
    FORBIDDEN:
        "The site forbids pages that everybody could read before (403). File permissions, .htaccess or the host's firewall have changed.",
        "Open the site directly from another network. If it refuses only this machine, ask the host to allow its address; otherwise check the last change.",
        "これまで誰でも見られたページが、禁止されています（403）。ファイルの権限、.htaccess、ホスティング会社のWAF（防御機能）の変更が考えられます。",
        "別の場所から直接サイトを開いてみてください。このマシンだけが拒否される場合はアドレスの許可を依頼し、そうでなければ直前の変更をご確認ください。";
    MISSING:
        "Pages of the site are gone (404), key pages among them. A release failed, or somebody removed the files.",
        "Check that the site's files are on the server and that its URL rules (.htaccess, permalinks) are in place. If you removed a page on purpose, take it out of \"key_pages\".",
        "重要なページを含め、あるはずのページがなくなっています（404）。公開作業の失敗か、ファイルの削除が考えられます。",
        "サーバーにファイルがあるか、URLの設定（.htaccessやパーマリンク）が有効かをご確認ください。意図して削除したページは、設定の key_pages から外してください。";
    ASSET_MISSING:
        "Files that pages need for their display (style sheets, scripts, images) are gone from the server. A release was published only in part.",
        "Publish the release again, with all its files. Until then, visitors get the missing files from the snapshot where it has them.",
        "ページの表示に必要なファイル（CSS・JavaScript・画像）が、サーバーからなくなっています。公開作業が途中で終わった可能性があります。",
        "すべてのファイルを含めて、もう一度公開してください。それまでの間、スナップショットにあるファイルは、そこから配信します。";
}
