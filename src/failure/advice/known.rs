//! What is known of the origin, and what the operator decided.

super::advice! {
    KNOWN_DOWN:
        "The site's server is known to be down, so that nobody waits for it. Checks ask it again all the time.",
        "\"katahai status\" shows why and since when; mend that. Visitors return by themselves once the key pages are good.",
        "サイトのサーバーの停止が分かっているため、訪問者を待たせないようにしています。復旧の確認は常に続けています。",
        "原因と発生時刻は「katahai status」で分かります。重要なページが正常に戻れば、自動的に切り替わります。";
    FLAPPING:
        "The site's server comes and goes. Katahai waits longer each time before it believes that it is back.",
        "Look for a program that restarts again and again (\"systemctl status\", the error log), or for a bad line.",
        "サイトのサーバーが、復旧と停止を繰り返しています。Katahaiは、復旧と判断するまでの確認回数を増やしています。",
        "再起動を繰り返すプログラムがないか（「systemctl status」やエラーログ）、回線が不安定でないかをご確認ください。";
    RECOVERING:
        "The site's server has just come back. Visitors return to it little by little, so that it is not overrun.",
        "Nothing is to be done. \"recovery_ramp\" sets how long it takes.",
        "サイトのサーバーが復旧したところです。一度に集中しないよう、訪問者を少しずつ戻しています。",
        "対応は不要です。戻すまでの時間は、設定の recovery_ramp で変えられます。";
    UNPROVEN:
        "Katahai has just started and does not know yet whether the site's server answers.",
        "Nothing is to be done. If it lasts longer than a few seconds, look at the address under \"origin\".",
        "起動直後のため、サイトのサーバーの状態をまだ確認できていません。",
        "対応は不要です。数秒以上続く場合は、設定の origin のアドレスをご確認ください。";
    SLOW:
        "The site's server was slower than a visitor's patience, so that the visitor got a copy. It is not down.",
        "Once is nothing. If it is often, look at the server's load, or raise \"patience\" for a site that is always slow.",
        "サーバーの応答が待ち時間の上限を超えたため、控えで応答しました。サーバーが停止しているわけではありません。",
        "まれであれば問題ありません。頻発する場合はサーバーの負荷を確認し、もともと時間のかかるサイトであれば設定の patience を長くしてください。";
    NO_ORIGIN:
        "The site has no server: the list of its origins is empty.",
        "Add an \"origin\" to the site or to its origins_file; it is taken over by itself, or with \"katahai reload\".",
        "サイトのサーバー（origin）が一つも設定されていません。",
        "設定または origins_file にサーバーを加えてください。自動で反映されますが、「katahai reload」でも反映できます。";
    LOOP:
        "Katahai's own requests come back to it: what \"origin\" names leads, by DNS, a forwarded port or another proxy, to Katahai itself.",
        "Give the server's own address under \"origin\", not the site's public name, and look for a rule that forwards the server's port here. \"katahai check\" warns of such names.",
        "Katahaiが送ったリクエストが、Katahai自身に戻ってきています。設定の origin が、DNSやポート転送、別のプロキシーを経て、このKatahaiを指しています。",
        "設定の origin には、サイトの公開名ではなくサーバー自体のアドレスを書いてください。ポート転送のルールもご確認ください。「katahai check」は、そのような名前を警告します。";
    DRAINED:
        "All servers of the site are switched off in the configuration (mode \"drain\" or \"off\").",
        "If the work is done, set their \"mode\" to \"auto\" again.",
        "設定により、サイトのすべてのサーバーが切り離されています（mode が drain または off）。",
        "作業が終わりましたら、mode を auto に戻してください。";
    HELD:
        "The operator has ruled that the live site is not shown (mode \"hold_snapshot\"): visitors get copies of the pages that have one.",
        "When you are done, set the mode back to \"auto\" (PUT /api/v1/sites/NAME/mode).",
        "管理者の操作により、元のサイトを表示しない設定です（hold_snapshot）。控えのあるページは、控えをお見せします。",
        "用が済みましたら、モードを auto に戻してください（PUT /api/v1/sites/サイト名/mode）。";
    PRIVATE_ADDRESS:
        "A file that pages need is on a server with an internal address, which Katahai does not ask.",
        "If you mean it, list that host with its port in \"mirror.asset_hosts\"; otherwise correct the link on the page.",
        "ページに必要なファイルが内部アドレスのサーバーにあるため、Katahaiは取得していません。",
        "意図したものであれば設定の mirror.asset_hosts に加え、そうでなければページ内のリンクを修正してください。";
}
