//! What is known of the origin, and what the operator decided.

super::advice! {
    KNOWN_DOWN:
        "The site's server is down, so no visitor waits for it. Katahai keeps checking it.",
        "See in \"katahai status\" what is wrong and since when, and fix that. Visitors return to the live site by themselves once its key pages are good.",
        "サイトのサーバーの停止が分かっているため、訪問者を待たせないようにしています。復旧の確認は常に続けています。",
        "「katahai status」で原因と発生時刻を確認し、復旧してください。重要なページが正常に戻れば、自動的に切り替わります。";
    FLAPPING:
        "The site's server keeps going down and coming back. Each time, Katahai waits longer before it trusts it again.",
        "Look for a program that restarts again and again (\"systemctl status\", the error log), or for an unstable network.",
        "サイトのサーバーが、復旧と停止を繰り返しています。Katahaiは、復旧と判断するまでの確認回数を増やしています。",
        "再起動を繰り返すプログラムがないか（「systemctl status」やエラーログ）、回線が不安定でないかをご確認ください。";
    RECOVERING:
        "The site's server has just come back. Visitors return to it gradually, so as not to overload it.",
        "Nothing to do. \"recovery_ramp\" sets how long the return takes.",
        "サイトのサーバーが復旧したところです。一度に集中しないよう、訪問者を少しずつ戻しています。",
        "対応は不要です。戻すまでの時間は、設定の recovery_ramp で変えられます。";
    UNPROVEN:
        "Katahai has just started and does not know yet whether the site's server answers.",
        "Nothing to do. If this lasts longer than a few seconds, check the address under \"origin\".",
        "起動直後のため、サイトのサーバーの状態をまだ確認できていません。",
        "対応は不要です。数秒以上続く場合は、設定の origin のアドレスをご確認ください。";
    SLOW:
        "The site's server took longer than visitors are made to wait when there is a copy, so the visitor got the copy. The server is not down.",
        "Nothing to do if this is rare. If it is frequent, check the server's load; for a site that is always slow, raise \"patience\".",
        "サーバーの応答が待ち時間の上限を超えたため、コピーで応答しました。サーバーが停止しているわけではありません。",
        "まれであれば、対応は不要です。頻発する場合はサーバーの負荷を確認し、もともと時間のかかるサイトであれば設定の patience を長くしてください。";
    NO_ORIGIN:
        "The site has no server: its list of origins is empty.",
        "Add an \"origin\" to the site or to its origins_file. Katahai picks the change up by itself, or at once with \"katahai reload\".",
        "サイトのサーバー（origin）が一つも設定されていません。",
        "設定または origins_file にサーバーを加えてください。自動で反映されますが、「katahai reload」ですぐに反映することもできます。";
    LOOP:
        "Katahai's own requests come back to it. By DNS, a forwarded port or another proxy, the address under \"origin\" leads to Katahai itself.",
        "Put the server's own address under \"origin\", not the site's public name, and look for a rule that forwards the server's port here. \"katahai check\" warns about such names.",
        "Katahaiが送ったリクエストが、Katahai自身に戻ってきています。設定の origin が、DNSやポート転送、別のプロキシーを経て、このKatahaiを指しています。",
        "設定の origin には、サイトの公開名ではなくサーバー自体のアドレスを書いてください。ポート転送のルールもご確認ください。「katahai check」は、そのような名前を警告します。";
    DRAINED:
        "The configuration has switched off all of the site's servers (mode \"drain\" or \"off\").",
        "When the work is done, set their \"mode\" back to \"auto\".",
        "設定により、サイトのすべてのサーバーが切り離されています（mode が drain または off）。",
        "作業が終わりましたら、mode を auto に戻してください。";
    HELD:
        "The operator has switched the live site off (mode \"hold_snapshot\"). Visitors get a copy of each page that has one.",
        "When you are done, run \"katahai hold off NAME\".",
        "管理者の操作により、元のサイトを表示しない設定です（hold_snapshot）。コピーのあるページは、コピーをお見せしています。",
        "用が済みましたら、「katahai hold off サイト名」を実行してください。";
    PRIVATE_ADDRESS:
        "A file that pages need is on a server with an internal address. Katahai does not fetch from such addresses.",
        "If the address is right, add that host with its port to \"mirror.asset_hosts\". Otherwise correct the link on the page.",
        "ページに必要なファイルが内部アドレスのサーバーにあるため、Katahaiは取得していません。",
        "意図したものであれば、そのホストをポート番号とともに設定の mirror.asset_hosts に加えてください。そうでなければ、ページ内のリンクを修正してください。";
}
