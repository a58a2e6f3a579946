//! Katahai itself and its machine, and requests that are at fault themselves.

super::advice! {
    BUSY:
        "So many requests wait for the site's server that Katahai sends it no more.",
        "Check whether the server is slow (\"katahai status\") or a robot sends too many requests (the access log). \"in_flight_per_origin\" sets the limit.",
        "サイトのサーバーの応答を待つリクエストが多く、上限に達しています。",
        "サーバーが遅くなっていないか（「katahai status」）、ロボットのアクセスが集中していないか（アクセスログ）をご確認ください。上限は in_flight_per_origin で変えられます。";
    QUEUED_TOO_LONG:
        "A request waited in the queue for so long that the site's server had too little time left to answer. This does not count against the server.",
        "Find out what keeps so many requests in flight (\"katahai status\", the access log). \"in_flight_per_origin\" sets how many the server gets at once.",
        "順番待ちが長く、サイトのサーバーが応答する時間が残りませんでした。サーバーの不具合とは見なしていません。",
        "多くのリクエストが同時に処理中になっている原因（「katahai status」、アクセスログ）をご確認ください。同時数は in_flight_per_origin で変えられます。";
    DESCRIPTORS_OUT:
        "Katahai has run out of file descriptors and turns visitors away. It keeps the last ones for checks, the admin API and the configuration.",
        "Raise the limit: \"LimitNOFILE=65536\" in the unit (\"systemctl edit katahai\"), or \"ulimit -n\" where you start it. Then restart Katahai.",
        "ファイルディスクリプターが不足し、一部のアクセスを受け付けられません。ヘルスチェック、管理API、設定の読み込みのための分は確保しています。",
        "上限を上げてください。systemdでは「systemctl edit katahai」で LimitNOFILE=65536 を設定し、それ以外では「ulimit -n」を変更して、Katahaiを再起動します。";
    COPY_DAMAGED:
        "Part of a snapshot on the disk is damaged. Visitors get the newest older snapshot that is intact, if there is one.",
        "Run \"katahai snapshot verify --repair\", which makes a whole snapshot from what the others have. Then check the disk (\"smartctl -a\"): it may be failing.",
        "ディスク上のスナップショットの一部が壊れています。壊れていない古いスナップショットがあれば、訪問者にはそれをお見せしています。",
        "「katahai snapshot verify --repair」で修復してください。その後、ディスクの故障がないか（「smartctl -a」）をご確認ください。";
    COPIES_GONE:
        "The folder with the snapshots has vanished, or has no snapshot that can be served. In an outage, visitors would get a holding page.",
        "Mount or restore the state directory. \"katahai snapshot list\" shows what it contains; \"katahai snapshot take\" takes a new snapshot.",
        "スナップショットのフォルダーがないか、使えるスナップショットが残っていません。このまま障害が起きると、訪問者にはお知らせのページしか表示できません。",
        "state_dir のマウントや復元を行ってください。「katahai snapshot list」で現状を確認し、「katahai snapshot take」で新しいスナップショットを作成できます。";
    DISK_FULL:
        "The disk is full, and the last snapshot could not be stored. The existing ones remain in service, and get older.",
        "Free some space on the disk of the state directory (\"df -h\"), or keep fewer snapshots. Then run \"katahai snapshot take\".",
        "ディスクの空きがなく、新しいスナップショットを保存できませんでした。すでにあるものは引き続き使えますが、古くなっていきます。",
        "state_dir のあるディスクの空きを増やすか（「df -h」）、保存する世代数を減らしたうえで、「katahai snapshot take」を実行してください。";
    STATE_UNUSABLE:
        "Katahai cannot use its state directory: it cannot write to it, or cannot read what it needs. It makes no new copies.",
        "Check that \"state_dir\" exists and belongs to the user that runs Katahai, and that the disk is not mounted read-only.",
        "保存用フォルダー（state_dir）を使用できません。書き込みまたは読み取りができず、新しいコピーを作成できない状態です。",
        "フォルダーが存在し、Katahaiの実行ユーザーに権限があるか、ディスクが読み取り専用になっていないかをご確認ください。";
    STATE_SHARED:
        "Another Katahai uses the same state directory. Both take snapshots, and each may replace the other's.",
        "Give each instance its own \"state_dir\", or stop the one that you do not need.",
        "同じ保存用フォルダー（state_dir）を、別のKatahaiも使用しています。両方がスナップショットを作成し、互いのものを置き換えるおそれがあります。",
        "インスタンスごとに別の state_dir を設定するか、不要なほうを停止してください。";
    STORE_UNUSABLE:
        "The object store cannot be used. Visitors are served as before; until it answers, this instance neither gives the others its new snapshots nor gets theirs.",
        "The detail names what is the matter, and \"katahai status\" what to do about it. Katahai tries again by itself.",
        "オブジェクトストアを使用できません。訪問者への影響はありませんが、復旧するまで、他のインスタンスと新しいスナップショットを共有できません。",
        "原因は詳細に、対処方法は「katahai status」に表示されます。Katahaiは自動的に再試行します。";
    STORE_BEHIND:
        "What this instance serves of the site and what the store has differ for longer than usual.",
        "The detail says why. While something large is being sent or fetched, just wait; \"push_rate\" in [store] bounds how fast it is sent.",
        "このサイトについて、このインスタンスの内容とストアの内容が、通常より長く一致していません。",
        "理由は詳細をご確認ください。大きなデータの転送中であれば、そのままお待ちください（送信速度の上限は [store] の push_rate です）。";
    STORE_UNSIGNED:
        "What lies in the store is not signed: whoever can write to the bucket can put a page on the site.",
        "Make a key with \"katahai key new\", put it on all instances, and name it as key_file in [store].",
        "ストアの内容に署名がありません。バケットに書き込める人は誰でも、サイトにページを表示させることができます。",
        "「katahai key new」で鍵を作成して全インスタンスに配置し、[store] の key_file に指定してください。";
    STORE_REFUSED:
        "Something in the store is damaged, missing, older than it was, or not signed with a key of this deployment. Nothing of it was taken over; what was served before stays.",
        "After a restore of the bucket, look whether the right snapshot is in service; else: katahai snapshot publish. If key_file is new or was changed, all instances need the new key, and the old one below it. Otherwise find out who else writes to the bucket.",
        "ストアに、破損、欠落、古い内容への差し戻し、または署名の誤りがあるデータが見つかりました。該当の内容は使用せず、以前の内容を引き続き提供しています。",
        "バケットをバックアップから復元した場合は、正しいスナップショットが公開されているかご確認のうえ、異なる場合は「katahai snapshot publish」を実行してください。key_file を新しく設定または変更した場合は、詳細の内容に従ってください（全インスタンスの key_file に、新しい鍵とその下に古い鍵が必要です）。いずれにも当てはまらない場合は、バケットに書き込む第三者がいないかご確認ください。次のスナップショットか「katahai snapshot publish」で、正しい内容が保存し直されます。";
    INSTANCE_NAME_SHARED:
        "Another instance that uses the same store has the same name, so each writes over what the other tells of itself.",
        "Give each instance a name of its own (\"instance\" in [store]), and restart it.",
        "同じストアを使う別のインスタンスが同じ名前になっているため、互いの情報を上書きしています。",
        "インスタンスごとに別の名前（[store] の instance）を設定し、再起動してください。";
    FORMS_ALONE:
        "Kept forms lie on this machine alone, because the store has not taken them. They would be lost with it.",
        "Mend the store, as the detail says. Katahai puts them there by itself as soon as it takes them; until then, do not remove this machine's state directory.",
        "ストアに保存できていないため、お預かりしたフォームがこのサーバーにしかありません。サーバーが失われるとフォームも失われます。",
        "詳細の内容に従ってストアを復旧してください。復旧後は自動的に保存されます。それまでは、このサーバーの状態ディレクトリを削除しないでください。";
    NOBODY_CRAWLS:
        "No instance has held the lease for five minutes, so no snapshots are taken. Those in service stay.",
        "Start an instance that may crawl (crawl = \"auto\" in [store], and a \"key_file\" that it can read), or look why none of those can write to the store: \"katahai status\" on each of them. For a snapshot now: \"katahai snapshot take\" on any instance.",
        "クロールを担当するインスタンスがない状態が5分以上続いているため、スナップショットを取得していません。公開中のスナップショットは引き続き提供しています。",
        "クロール可能なインスタンス（[store] の crawl = \"auto\"、key_file が読み取れること）を起動するか、ストアに書き込めない理由を、各インスタンスの「katahai status」でご確認ください。すぐに取得する場合は、任意のインスタンスで「katahai snapshot take」を実行してください。";
    CONFIGURATION_REFUSED:
        "The configuration file has a mistake, so Katahai has not loaded it. It goes on with the last good one.",
        "Run \"katahai check\", which shows every problem with its line. Fix them before the next restart: with this file, Katahai would not start.",
        "設定ファイルに誤りがあるため、反映していません。Katahaiは、最後の正しい設定で動作を続けています。",
        "「katahai check」で、誤りをすべて行番号付きで確認できます。このままでは次回起動できませんので、再起動の前に修正してください。";
    CERTIFICATE_UNREADABLE:
        "The certificate for visitors cannot be read from its file. If Katahai has read a good one since it started, that one remains in use.",
        "Check that the paths under \"tls\" are right, the files complete and of one pair, and that Katahai's user may read them (\"chgrp ssl-cert FILE; chmod 0640 FILE\", and SupplementaryGroups in the unit). Katahai loads good files by itself.",
        "訪問者に提示する証明書のファイルを読み取れません。起動後に正しく読めた証明書があれば、それを使い続けます。",
        "設定の tls のパス、ファイルの内容、証明書と鍵の組み合わせ、Katahaiの実行ユーザーの読み取り権限（「chgrp ssl-cert ファイル; chmod 0640 ファイル」とユニットの SupplementaryGroups）をご確認ください。正しいファイルになれば、自動的に反映されます。";
    SITE_CERTIFICATE_EXPIRING:
        "The certificate for visitors expires soon. After that, browsers refuse the site, and no copy can help.",
        "Renew it (with certbot: \"certbot renew\"). Katahai loads new files at the paths under \"tls\" by itself.",
        "訪問者に提示する証明書の期限が近づいています。期限を過ぎるとブラウザーが接続を拒むため、スナップショットもお見せできません。",
        "証明書を更新してください（certbotの場合は「certbot renew」）。設定の tls のパスに新しいファイルが置かれると、自動的に反映されます。";
    SITE_CERTIFICATE_EXPIRED:
        "The certificate for visitors, or its replacement, is expired or not valid yet. Browsers refuse such a certificate.",
        "Renew it; Katahai loads new files at the paths under \"tls\" by itself. If its dates look right, check the clock of this machine (\"date -u\").",
        "訪問者に提示する証明書、または差し替え用の証明書が、有効期間の外にあります。ブラウザーは、このような証明書を拒みます。",
        "証明書を更新してください。設定の tls のパスに置かれた新しいファイルは、自動的に反映されます。期間が正しい場合は、このマシンの時計（「date -u」）をご確認ください。";
    SITE_CERTIFICATE_OF_ANOTHER:
        "The site's certificate does not cover all of its hosts. On the others, visitors get a warning from their browser.",
        "Get a certificate with every name that is in \"hosts\", and check that the paths under \"tls\" belong to this site.",
        "サイトの証明書が、設定の hosts にあるホスト名のすべてには対応していません。対応していないホスト名では、ブラウザーに警告が表示されます。",
        "hosts のすべての名前を含む証明書を取得してください。tls のパスが、別のサイトのものになっていないかもご確認ください。";
    ALERTS_UNDELIVERED:
        "Alerts have not reached somebody for fifteen minutes. They wait on the disk, and Katahai keeps trying.",
        "\"katahai alerts\" shows which channel fails and why; after mending it, try it with \"katahai alerts test\".",
        "通知が15分以上、届いていない送り先があります。通知はディスクに保存してあり、自動的に再送します。",
        "失敗している送り先と理由は「katahai alerts」に表示されます。直したあと、「katahai alerts test」で届くことをご確認ください。";
    RESTART_NEEDED:
        "The configuration file has changes that take effect only after a restart. Until then, these keys keep their old values.",
        "Restart Katahai at a convenient time (\"systemctl restart katahai\"). It answers the requests in flight before it stops.",
        "設定ファイルに、再起動しないと反映されない変更があります。再起動するまで、該当する項目は以前の値のままです。",
        "都合のよいときに再起動してください（「systemctl restart katahai」）。処理中のリクエストには、応答してから停止します。";
    CLOCK_MOVED:
        "The clock of this machine jumped by more than a minute. Katahai may misjudge the ages of copies and certificates.",
        "Compare \"date -u\" with the real time, and check that time synchronisation is running (\"timedatectl\").",
        "このマシンの時計が、1分以上ずれて動きました。コピーの経過時間や証明書の期限を、正しく判断できないおそれがあります。",
        "「date -u」を正しい時刻と比べ、時刻同期が動いているか（「timedatectl」）をご確認ください。";
    UNCLEAN_STOP:
        "Katahai did not shut down properly last time: it was killed, or the machine lost power. No published snapshot is lost.",
        "Look for the reason with \"journalctl -u katahai\" (after a reboot, with \"-b -1\") and \"dmesg\". Often, memory has run out.",
        "前回、Katahaiは正常に終了していません。強制終了か、マシンの電源断が考えられます。公開済みのスナップショットは失われていません。",
        "「journalctl -u katahai」（再起動後は「-b -1」を付けて）と「dmesg」で理由をご確認ください。メモリー不足による強制終了がよくある原因です。";
    INTERNAL:
        "Something went wrong in Katahai itself, and one request failed.",
        "Find the line in the log at that time: it has the reason. Please report it together with that line.",
        "Katahaiの内部で問題が起き、1件のリクエストに応答できませんでした。",
        "その時刻のログに理由が記録されています。該当する行を添えてご報告ください。";
    MALFORMED:
        "The visitor's program sent a request that is not valid HTTP.",
        "Nothing to do: usually it is a robot looking for weaknesses.",
        "訪問者のプログラムが、正しくないHTTPリクエストを送ってきました。",
        "対応は不要です。多くは、不正アクセスを試みるロボットによるものです。";
    UNKNOWN_SITE:
        "A request named a host that no site of this configuration has.",
        "If the host is yours, add it to the site's \"hosts\" and run \"katahai reload\". If not, do nothing.",
        "設定にないホスト名へのアクセスがありました。",
        "ご自身のホスト名であれば、設定の hosts に加えて「katahai reload」を実行してください。そうでなければ、対応は不要です。";
    HEADERS_TOO_LARGE:
        "The header fields of a request exceed the limit. Usually the site has set too many cookies.",
        "If this happens to ordinary visitors, make the site set fewer cookies, or raise \"limits.header_size\".",
        "リクエストのヘッダーが上限を超えています。多くの場合、サイトのCookieが大きすぎます。",
        "一般の訪問者に起きている場合は、サイトのCookieを減らすか、設定の limits.header_size を大きくしてください。";
    CODING_REFUSED:
        "The body of a request used a transfer coding other than \"chunked\".",
        "Nothing to do: no browser does this. If it is a program of yours, make it send the body unencoded.",
        "リクエストの本文が、chunked以外の転送コーディング（Transfer-Encoding）で送られてきました。",
        "ブラウザーからは送られないため、対応は不要です。ご自身のプログラムであれば、本文をそのまま送るようにしてください。";
    BODY_TOO_LARGE:
        "A visitor sent more than the limit allows, such as a large file in a form.",
        "If the site must accept such files, raise \"limits.body_size\".",
        "訪問者が、上限を超える大きさのデータ（フォームの添付ファイルなど）を送信しました。",
        "サイトで受け付ける必要がある場合は、設定の limits.body_size を大きくしてください。";
    BODY_TOO_SLOW:
        "A visitor sent the body of a request at less than 500 bytes a second, or nothing for half a minute. The request did not reach the origin.",
        "Nothing to do: the connection was lost, or somebody tries to keep connections occupied.",
        "訪問者からの送信が毎秒500バイトに満たないか、30秒間途絶えたため、受信を打ち切りました。サイトのサーバーには送っていません。",
        "対応は不要です。回線の切断か、接続を占有しようとする相手によるものです。";
    TOO_MANY_AT_ONCE:
        "One client reached the limit of requests in flight and sent more.",
        "If the client is your own proxy with many visitors behind it, add it to \"listen.trusted_proxies\". Otherwise do nothing; \"limits.connections_per_client\" sets the limit.",
        "一つの接続元から、同時に多すぎるリクエストがありました。",
        "多くの訪問者が経由するプロキシーの場合は、listen.trusted_proxies に加えてください。そうでなければ、対応は不要です。上限は limits.connections_per_client で変えられます。";
    METHOD_REFUSED:
        "A request used a method that Katahai does not carry out for visitors (CONNECT, TRACE).",
        "Nothing to do: somebody is looking for open proxies.",
        "訪問者からは受け付けない操作（CONNECT、TRACE）のリクエストがありました。",
        "対応は不要です。開放されたプロキシーを探すアクセスと考えられます。";
    VISITOR_GONE:
        "The visitor left before the request was complete, or read the answer so slowly that the origin gave up.",
        "Nothing to do: somebody closed a browser, or lost the connection.",
        "訪問者がリクエストの途中で離れたか、応答の受け取りが遅く、サーバーが先に送信を打ち切りました。",
        "対応は不要です。ブラウザーを閉じたか、通信が切れたものです。";
}
