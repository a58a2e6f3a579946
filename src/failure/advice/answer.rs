//! Answers that break off, and statuses.

super::advice! {
    RESET:
        "The site's server breaks connections off without an answer. Its web server or the program behind it crashes, or a firewall cuts in.",
        "Read the web server's error log and the system's (\"journalctl -p err\"), and look for processes that were killed for want of memory.",
        "サイトのサーバーが、応答せずに接続を切断しています。Webサーバーやプログラムの異常終了、またはファイアウォールによる切断が考えられます。",
        "Webサーバーのエラーログと「journalctl -p err」をご確認ください。メモリー不足でプロセスが強制終了されていないかもお調べください。";
    NOT_HTTP:
        "What answers at the server's port does not speak HTTP. Another program has the port, or https and http are mixed up.",
        "Check the address and the scheme under \"origin\", and on the server who listens there (\"ss -ltnp\").",
        "サーバーのポートで応答しているのは、HTTPではありません。別のプログラムがポートを使っているか、httpとhttpsを取り違えています。",
        "設定の origin のアドレスと http／https の別をご確認ください。サーバーでは「ss -ltnp」で、どのプログラムが待ち受けているかを確認できます。";
    SILENT:
        "The site's server takes the request and does not answer in time. Usually its programs wait for the database, or all its workers are busy.",
        "Look at the server's load, at slow database queries and at the number of PHP workers. \"katahai status\" shows since when.",
        "サイトのサーバーはリクエストを受け取りましたが、時間内に応答しません。データベース待ちか、処理プロセスの不足がよくある原因です。",
        "サーバーの負荷、遅いクエリー、PHPのワーカー数をご確認ください。いつから続いているかは「katahai status」で分かります。";
    BODY_STALLED:
        "The site's server stops in the middle of its answers. A program hangs, or the network loses large packets.",
        "Read the program's log at the time of the failure. If only large pages stop, have the host check its network.",
        "サイトのサーバーの応答が途中で止まります。プログラムが固まっているか、ネットワークの不調が考えられます。",
        "障害が起きた時刻のプログラムのログをご確認ください。大きなページだけが止まる場合は、ホスティング会社にネットワークの調査をご依頼ください。";
    BODY_CUT:
        "The site's server breaks off in the middle of its answers: less arrives than it announced. A program crashes, or its disk is full.",
        "Look at the free space of the server (\"df -h\") and at the error log of its web server.",
        "サイトのサーバーの応答が途中で切れ、予告された長さに足りません。プログラムの異常終了か、ディスクの空き不足が考えられます。",
        "サーバーの空き容量（「df -h」）とWebサーバーのエラーログをご確認ください。";
    SERVER_ERROR:
        "The site's program reports an error (500). After a change it is most often that change.",
        "Read the program's error log, and undo the last update of the site or of a plug-in.",
        "サイトのプログラムがエラー（500）を返しています。直前の更新が原因であることがほとんどです。",
        "プログラムのエラーログを確認し、直前に行ったサイトやプラグインの更新を元に戻してください。";
    BAD_GATEWAY:
        "The server's front reports that the program behind it does not answer (502). The program has stopped or crashes.",
        "Restart the program (PHP-FPM, Node.js or another) on the server, and read its log to see why it stopped.",
        "サーバーの前段が、後ろのプログラムから応答がないと報告しています（502）。プログラムが停止しているか、異常終了を繰り返しています。",
        "サーバーでプログラム（PHP-FPM、Node.jsなど）を再起動し、停止した理由をログでご確認ください。";
    UNAVAILABLE:
        "The site says that it is not available for now (503): under maintenance, or overloaded.",
        "If somebody is working on it, nothing is to be done. Otherwise look for a maintenance switch left on (in WordPress the file .maintenance), and at the load.",
        "サイトが一時的に利用できないと応答しています（503）。メンテナンス中か、過負荷の状態です。",
        "作業中であれば、対応は不要です。そうでなければ、メンテナンス設定の解除忘れ（WordPressでは .maintenance ファイル）と負荷をご確認ください。";
    GATEWAY_TIMEOUT:
        "The server's front waited in vain for the program behind it (504). The program is too slow or hangs.",
        "Look for slow database queries and outside services that the program waits for; restart it if it hangs.",
        "サーバーの前段が、後ろのプログラムの応答を待ちきれませんでした（504）。プログラムが遅いか、固まっています。",
        "遅いクエリーや、外部サービスの応答待ちがないかお調べください。固まっている場合はプログラムを再起動してください。";
    HOSTING_LIMIT:
        "The host says that the site has used up what it may use (508 or 509): processes, memory or traffic.",
        "See in the host's panel which limit was reached, and ask for a larger plan; many visits of one robot can be the reason.",
        "ホスティング会社の利用上限（プロセス数・メモリー・転送量）に達しています（508・509）。",
        "管理画面でどの上限に達したかを確認し、プランの変更をご検討ください。特定のロボットによる大量アクセスが原因のこともあります。";
    CDN_ERROR:
        "A CDN before the site's server cannot reach it (520 to 530). The CDN works, the server behind it does not.",
        "Look at the server behind the CDN first, then at the CDN's status page. Katahai can ask the server directly if you put its address under \"origin\".",
        "サイトの前段にあるCDNが、サーバーに接続できていません（520〜530）。CDNではなく、その先のサーバーの問題です。",
        "まずCDNの先にあるサーバーを、次にCDNの障害情報をご確認ください。設定の origin にサーバーのアドレスを書けば、CDNを通さずに接続できます。";
    BAD_STATUS:
        "The site answers with a status that your configuration counts as bad.",
        "See which with \"katahai explain URL\" and the log, and look for it in the site's own log. If it is right for this site, take it out of \"bad_status\".",
        "サイトが、設定で異常とみなすステータスを返しています。",
        "「katahai explain URL」とログでステータスを確認し、サイト側のログをお調べください。正常な応答であれば、設定の bad_status から外してください。";
    FORBIDDEN:
        "The site forbids pages that everybody could read before (403). File rights, .htaccess or a firewall of the host have changed.",
        "Open the site directly from another place. If it is forbidden to this machine only, have the host let its address through; else look at the last change.",
        "これまで誰でも見られたページが、禁止されています（403）。ファイルの権限、.htaccess、ホスティング会社のWAF（防御機能）の変更が考えられます。",
        "別の場所から直接サイトを開いてみてください。このマシンだけが拒否される場合はアドレスの許可を依頼し、そうでなければ直前の変更をご確認ください。";
    MISSING:
        "Pages that belong to the site are gone (404), key pages among them. A release failed, or the files were removed.",
        "Check that the site's files are on the server and that its address rules (.htaccess, permalinks) are in place. If a page was meant to go, take it out of \"key_pages\".",
        "重要なページを含め、あるはずのページがなくなっています（404）。公開作業の失敗か、ファイルの削除が考えられます。",
        "サーバーにファイルがあるか、URLの設定（.htaccessやパーマリンク）が有効かをご確認ください。意図して削除したページは、設定の key_pages から外してください。";
    ASSET_MISSING:
        "Files that pages need to be drawn (styles, scripts, pictures) are gone from the server. A release was published only in part.",
        "Publish the release again, with all its files. Those that a snapshot has come from there meanwhile.",
        "ページの表示に必要なファイル（CSS・JavaScript・画像）が、サーバーからなくなっています。公開作業が途中で終わった可能性があります。",
        "すべてのファイルを含めて、もう一度公開してください。スナップショットにあるファイルは、その間、控えから配信します。";
}
