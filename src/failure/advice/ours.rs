//! Katahai itself and its machine, and requests that are at fault themselves.

super::advice! {
    BUSY:
        "So many requests wait for the site's server that no more are let through.",
        "Look whether the server is slow (\"katahai status\") or a robot asks for too much (the access log). \"in_flight_per_origin\" sets the limit.",
        "サイトのサーバーの応答を待つリクエストが多く、上限に達しています。",
        "サーバーが遅くなっていないか（「katahai status」）、ロボットのアクセスが集中していないか（アクセスログ）をご確認ください。上限は in_flight_per_origin で変えられます。";
    QUEUED_TOO_LONG:
        "A request waited so long for its turn that the site's server had too little time left to answer. The server is not held responsible.",
        "Look what keeps so many requests under way (\"katahai status\", the access log). \"in_flight_per_origin\" sets how many the server gets at once.",
        "順番待ちが長く、サイトのサーバーが応答する時間が残りませんでした。サーバーの不具合とは見なしていません。",
        "多くのリクエストが同時に処理中になっている原因（「katahai status」、アクセスログ）をご確認ください。同時数は in_flight_per_origin で変えられます。";
    DESCRIPTORS_OUT:
        "Katahai runs out of file descriptors, so it turns visitors away. The last ones are kept for checks, the admin API and the configuration.",
        "Raise the limit: \"LimitNOFILE=65536\" in the unit (\"systemctl edit katahai\"), or \"ulimit -n\" where it is started; then start Katahai again.",
        "ファイルディスクリプターが不足し、一部のアクセスを受け付けられません。ヘルスチェック、管理API、設定の読み込みのための分は確保しています。",
        "上限を上げてください。systemdでは「systemctl edit katahai」で LimitNOFILE=65536 を設定し、それ以外では「ulimit -n」を変更して、Katahaiを再起動します。";
    COPY_DAMAGED:
        "A part of a snapshot on the disk is not what was written. Visitors get the newest older copy of it, where there is one.",
        "Run \"katahai snapshot verify --repair\", which makes a whole snapshot again. Then check the disk (\"smartctl -a\"): it may be dying.",
        "ディスク上の控えの一部が壊れています。壊れていない古い控えがあれば、訪問者にはそれをお見せしています。",
        "「katahai snapshot verify --repair」で修復してください。その後、ディスクの故障がないか（「smartctl -a」）をご確認ください。";
    COPIES_GONE:
        "The folder with the snapshots has vanished, or there is none that can be served. In an outage visitors would get a holding page.",
        "Mount or restore the state directory; \"katahai snapshot list\" shows what is there, \"katahai snapshot take\" takes a new one.",
        "控えを保存しているフォルダーが見当たりません。このまま障害が起きると、訪問者にはお知らせのページしか表示できません。",
        "state_dir のマウントや復元を行ってください。「katahai snapshot list」で現状を確認し、「katahai snapshot take」で新しい控えを作成できます。";
    DISK_FULL:
        "The disk is full: the last snapshot had no room. Those that are there go on serving, and get older.",
        "Make room on the disk of the state directory (\"df -h\"), or keep fewer snapshots; then run \"katahai snapshot take\".",
        "ディスクの空きがなく、新しい控えを保存できませんでした。すでにある控えは引き続き使えますが、古くなっていきます。",
        "state_dir のあるディスクの空きを増やすか（「df -h」）、保存する世代数を減らしたうえで、「katahai snapshot take」を実行してください。";
    STATE_UNUSABLE:
        "Katahai cannot use its state directory: it cannot write there, or not read what it needs. No new copies are made.",
        "Check that \"state_dir\" exists and belongs to the user that runs Katahai, and that the disk is not mounted read-only.",
        "保存用フォルダー（state_dir）を使用できません。書き込みまたは読み取りができず、新しい控えを作成できない状態です。",
        "フォルダーが存在し、Katahaiの実行ユーザーに権限があるか、ディスクが読み取り専用になっていないかをご確認ください。";
    STATE_SHARED:
        "Another Katahai runs on the same state directory. Both take snapshots, and each may put its own in the other's place.",
        "Give each instance a \"state_dir\" of its own, or stop the one that was forgotten.",
        "同じ保存用フォルダー（state_dir）を、別のKatahaiも使用しています。両方が控えを作成し、互いの控えを置き換えるおそれがあります。",
        "インスタンスごとに別の state_dir を設定するか、不要なほうを停止してください。";
    CONFIGURATION_REFUSED:
        "The configuration on the disk has a mistake and was not taken over. Katahai goes on with the last good one.",
        "\"katahai check\" shows every problem with its line. Mend them before the next restart: with this file Katahai would not start.",
        "設定ファイルに誤りがあるため、反映していません。Katahaiは、最後の正しい設定で動作を続けています。",
        "「katahai check」で、誤りをすべて行番号付きで確認できます。このままでは次回起動できませんので、再起動の前に修正してください。";
    CERTIFICATE_UNREADABLE:
        "The certificate that visitors see cannot be read from its file. The last good one, if there was any since the start, goes on serving.",
        "Check the paths under \"tls\", that the files are whole, belong together, and that Katahai's user may read them. Good ones are taken over by themselves.",
        "訪問者に提示する証明書のファイルを読み取れません。起動後に正しく読めた証明書があれば、それを使い続けます。",
        "設定の tls のパス、ファイルの内容、証明書と鍵の組み合わせ、Katahaiの実行ユーザーの読み取り権限をご確認ください。正しいファイルになれば、自動的に反映されます。";
    SITE_CERTIFICATE_EXPIRING:
        "The certificate that visitors see expires soon. From then on browsers refuse the site, and no copy can help.",
        "Renew it (with certbot: \"certbot renew\"). New files at the paths under \"tls\" are taken over by themselves.",
        "訪問者に提示する証明書の期限が近づいています。期限を過ぎるとブラウザーが接続を拒むため、控えもお見せできません。",
        "証明書を更新してください（certbotの場合は「certbot renew」）。設定の tls のパスに新しいファイルが置かれると、自動的に反映されます。";
    SITE_CERTIFICATE_EXPIRED:
        "The certificate that visitors see, or the one that was to replace it, is out of its dates. Browsers refuse such a certificate.",
        "Renew it; new files at the paths under \"tls\" are taken over by themselves. If its dates look right, check the clock of this machine (\"date -u\").",
        "訪問者に提示する証明書、または差し替え用の証明書が、有効期間の外にあります。ブラウザーは、このような証明書を拒みます。",
        "証明書を更新してください。設定の tls のパスに置かれた新しいファイルは、自動的に反映されます。期間が正しい場合は、このマシンの時計（「date -u」）をご確認ください。";
    SITE_CERTIFICATE_OF_ANOTHER:
        "The certificate in the site's files is not valid for all of the site's hosts. Visitors of the others get a warning from their browser.",
        "Get a certificate with all names that stand in \"hosts\", and see that the paths under \"tls\" are this site's.",
        "サイトの証明書が、設定の hosts にあるホスト名のすべてには対応していません。対応していないホスト名では、ブラウザーに警告が表示されます。",
        "hosts のすべての名前を含む証明書を取得してください。tls のパスが、別のサイトのものになっていないかもご確認ください。";
    RESTART_NEEDED:
        "The configuration on the disk has changes that take effect only when Katahai starts anew. Until then it goes on with the old values of these keys.",
        "Restart it at a convenient moment (\"systemctl restart katahai\"): requests under way are answered first.",
        "設定ファイルに、再起動しないと反映されない変更があります。再起動するまで、該当する項目は以前の値のままです。",
        "都合のよいときに再起動してください（「systemctl restart katahai」）。処理中のリクエストには、応答してから停止します。";
    CLOCK_MOVED:
        "The clock of this machine jumped by more than a minute. Ages of copies and certificates may be judged wrongly.",
        "Compare \"date -u\" with the real time, and see that time synchronisation runs (\"timedatectl\").",
        "このマシンの時計が、1分以上ずれて動きました。控えの経過時間や証明書の期限を、正しく判断できないおそれがあります。",
        "「date -u」を正しい時刻と比べ、時刻同期が動いているか（「timedatectl」）をご確認ください。";
    UNCLEAN_STOP:
        "Katahai did not end by itself the last time: it was killed, or the machine lost power. Nothing that was published is lost.",
        "See why with \"journalctl -u katahai -b -1\" and \"dmesg\": often memory had run out.",
        "前回、Katahaiは正常に終了していません。強制終了か、マシンの電源断が考えられます。公開済みの控えは失われていません。",
        "「journalctl -u katahai -b -1」と「dmesg」で理由をご確認ください。メモリー不足による強制終了がよくある原因です。";
    INTERNAL:
        "Something went wrong in Katahai itself, and one request was lost by it.",
        "The log has the reason at that time. Please report it with that line.",
        "Katahaiの内部で問題が起き、1件のリクエストに応答できませんでした。",
        "その時刻のログに理由が記録されています。該当する行を添えてご報告ください。";
    MALFORMED:
        "The visitor's program sent a request that is not proper HTTP.",
        "Nothing is to be done: usually it is a robot that tries doors.",
        "訪問者のプログラムが、正しくないHTTPリクエストを送ってきました。",
        "対応は不要です。多くは、不正アクセスを試みるロボットによるものです。";
    UNKNOWN_SITE:
        "Somebody asked for a host that no site of this configuration has.",
        "If it is one of yours, add it to the site's \"hosts\" and run \"katahai reload\". If it is not, nothing is to be done.",
        "設定にないホスト名へのアクセスがありました。",
        "ご自身のホスト名であれば、設定の hosts に加えて「katahai reload」を実行してください。そうでなければ対応は不要です。";
    HEADERS_TOO_LARGE:
        "A request's header fields are larger than allowed; mostly the site has set too many cookies.",
        "If honest visitors meet it, let the site set fewer cookies, or raise \"limits.header_size\".",
        "リクエストのヘッダーが上限を超えています。多くの場合、サイトのCookieが大きすぎます。",
        "一般の訪問者に起きている場合は、サイトのCookieを減らすか、設定の limits.header_size を大きくしてください。";
    CODING_REFUSED:
        "A request's body came in a transfer coding other than \"chunked\".",
        "Nothing is to be done: no browser sends such a thing. If it is a program of yours, have it send the body as it is.",
        "リクエストの本文が、chunked以外の転送コーディング（Transfer-Encoding）で送られてきました。",
        "ブラウザーからは送られないため、対応は不要です。ご自身のプログラムであれば、本文をそのまま送るようにしてください。";
    BODY_TOO_LARGE:
        "A visitor sent more than is allowed, such as a large file in a form.",
        "If the site is to take such files, raise \"limits.body_size\".",
        "訪問者が、上限を超える大きさのデータ（フォームの添付ファイルなど）を送信しました。",
        "サイトで受け付ける必要がある場合は、設定の limits.body_size を大きくしてください。";
    BODY_TOO_SLOW:
        "A visitor sent the body of a request at less than 500 bytes a second, or nothing for half a minute. The origin was not asked.",
        "Nothing is to be done: a lost connection, or somebody who means to hold places.",
        "訪問者からの送信が毎秒500バイトに満たないか、30秒間途絶えたため、受信を打ち切りました。サイトのサーバーには送っていません。",
        "対応は不要です。回線の切断か、接続を占有しようとする相手によるものです。";
    TOO_MANY_AT_ONCE:
        "One client had as many requests under way as it may have connections, and sent more.",
        "If it is a proxy of yours with many visitors behind it, name it in \"listen.trusted_proxies\"; else \"limits.connections_per_client\" sets the limit.",
        "一つの接続元から、同時に多すぎるリクエストがありました。",
        "多くの訪問者が経由するプロキシの場合は listen.trusted_proxies に加えてください。上限は limits.connections_per_client で変えられます。";
    METHOD_REFUSED:
        "A request used a method that a proxy for visitors does not carry out (CONNECT, TRACE).",
        "There is nothing to do; somebody looks for open proxies.",
        "訪問者向けのプロキシーでは受け付けない操作（CONNECT、TRACE）のリクエストがありました。",
        "特に対応は不要です。開放されたプロキシーを探すアクセスと考えられます。";
    VISITOR_GONE:
        "The visitor left before the request was complete, or did not read the answer until the origin gave up.",
        "It is ordinary, and there is nothing to do: a closed browser, or a lost line.",
        "訪問者が、リクエストの途中で離れたか、応答を読み取らないうちに、サーバーが送信を打ち切りました。",
        "通常のことですので、対応は不要です。ブラウザーを閉じたか、通信が切れたものです。";
}
