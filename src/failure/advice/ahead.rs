//! What is told before it stops the site: its domain, its servers, and the room that Katahai has.

super::advice! {
    DOMAIN_EXPIRING:
        "The registration of a domain that the site needs ends soon. When it has ended, the registry takes the name away, and visitors and e-mail with it.",
        "Renew the domain at its registrar today; do not rely on a payment that renews by itself. Check that the registrar has a card and an address that still work.",
        "サイトに必要なドメインの有効期限が近づいています。期限が切れると名前が使えなくなり、サイトの表示もメールの送受信も止まります。",
        "本日中に、ドメインの登録事業者（レジストラー）で更新してください。自動更新の場合も、支払い方法と連絡先メールアドレスが有効かをご確認ください。";
    DOMAIN_EXPIRED:
        "The registration of a domain that the site needs has ended, or its registry does not know it any more. The name stops working within hours or days.",
        "Renew the domain at its registrar at once: for some weeks only the former owner can, at a higher price. Until then, tell people the standby host, if the site has one.",
        "サイトに必要なドメインの有効期限が切れたか、レジストリーから登録が消えています。数時間から数日のうちに、名前が使えなくなります。",
        "至急、登録事業者で更新してください。しばらくの間は、元の所有者だけが（割増料金で）取り戻せます。予備のホスト名（standby_hosts）があれば、そちらをご案内ください。";
    DOMAIN_ON_HOLD:
        "The registry or the registrar holds a domain of the site back, or is about to delete it. Held names do not resolve.",
        "Ask the registrar today why: an unpaid bill, an unconfirmed e-mail address of the owner, a provisional registration that has run out, a complaint.",
        "サイトのドメインが、レジストリーまたは登録事業者によって停止されているか、削除されようとしています。停止中の名前は引けません。",
        "至急、登録事業者に理由をお問い合わせください。料金の未払い、所有者のメールアドレスの未確認、仮登録の期限切れ、苦情の申し立てなどが考えられます。";
    DOMAIN_UNLOCKED:
        "A domain of the site was locked to its registrar, and is not any more. Whoever has its transfer code can move it away.",
        "If you are not moving the domain yourself, lock it again in the registrar's panel, and change the password there. After 30 days Katahai takes it for intended.",
        "サイトのドメインにかかっていた移管ロックが、外れています。移管用のコードを持つ人は、ドメインを他社へ移せます。",
        "ご自身で移管の手続きをしているのでなければ、登録事業者の管理画面で再びロックし、パスワードを変更してください（30日後には、意図したものと見なします）。";
    NAME_SERVERS_CHANGED:
        "A domain of the site has other name servers than when the site was last known to be well. Whoever runs them decides where visitors and e-mail go.",
        "If you have moved the domain, do nothing: Katahai takes the new ones for yours after a week in which visitors have come. If not, call the registrar at once.",
        "サイトのドメインのネームサーバーが、サイトが正常だったときと異なります。訪問者やメールの行き先は、そのネームサーバーの管理者が決められます。",
        "ご自身で変更した場合、対応は不要です（1週間アクセスが続けば、Katahaiは新しいものを正しいと見なします）。心当たりがなければ、至急、登録事業者にご連絡ください。";
    NAME_SERVERS_PARKED:
        "A domain of the site is delegated to a parking service: visitors get advertisements there instead of the site.",
        "Look in the registrar's panel whether the domain is paid for and yours, renew it, and set its name servers back.",
        "サイトのドメインが、パーキングサービスのネームサーバーに向けられています。訪問者には、サイトではなく広告のページが表示されます。",
        "登録事業者の管理画面で、ドメインの支払いと所有者を確認のうえ更新し、ネームサーバーを元に戻してください。";
    ADDRESSES_CHANGED:
        "A host of the site leads to none of the addresses that it led to when visitors came, or to no address at all. Visitors come there, and perhaps not to Katahai.",
        "If you have moved it yourself, do nothing: after a week in which visitors have come, Katahai takes the new addresses for yours. If not, look who may change the zone at the DNS service.",
        "サイトのホスト名の向き先が、以前アクセスがあったときのIPアドレスとすべて異なるか、なくなっています。訪問者はそちらに接続し、Katahaiを経由していない可能性があります。",
        "ご自身で変更した場合、対応は不要です（1週間アクセスが続けば、Katahaiは新しいアドレスを正しいと見なします）。心当たりがなければ、DNSサービスでゾーンを変更できる人をご確認ください。";
    ZONE_GONE:
        "No name server answers for a domain of the site any more, though one did before. Visitors who do not remember the address cannot find the site.",
        "Look whether the DNS service still has the zone (unpaid, deleted, moved), and whether the name servers at the registrar are its own: \"dig +trace NS DOMAIN\".",
        "サイトのドメインについて、以前は応答していたネームサーバーが応答しなくなりました。訪問者はサイトの場所を調べられません。",
        "DNSサービスにゾーンが残っているか（未払い、削除、移転）、登録事業者に設定したネームサーバーが正しいかをご確認ください（「dig +trace NS ドメイン名」）。";
    DNSSEC_BROKEN:
        "The DNSSEC chain of a domain is broken: for everybody whose provider validates signatures, the site does not exist.",
        "Have the DS record at the registrar removed, or made to fit the zone's key. It takes up to a day to help. \"delv DOMAIN\" and dnsviz.net show what does not fit.",
        "ドメインのDNSSECの検証に失敗する状態です。署名を検証するプロバイダーの利用者からは、サイトが存在しないように見えます。",
        "登録事業者のDSレコードを削除するか、ゾーンの鍵に合わせてください。効果が出るまで最長1日かかります。不一致の箇所は「delv ドメイン名」や dnsviz.net で確認できます。";
    DNSSEC_EXPIRING:
        "The DNSSEC signatures of a domain end soon or have ended, and nobody has renewed them. After that, the site does not exist for those whose provider validates.",
        "Sign the zone anew, and find out why the DNS service has stopped doing so by itself. If that takes long, have the DS record at the registrar removed first.",
        "ドメインのDNSSEC署名の期限が近づいているか過ぎていますが、更新されていません。期限を過ぎると、署名を検証するプロバイダーの利用者からサイトが見えなくなります。",
        "ゾーンを署名し直し、自動更新が止まった理由をご確認ください。時間がかかる場合は、先に登録事業者のDSレコードを削除してください。";
    ORIGIN_GETTING_WORSE:
        "For three days the site's server has been at least twice as slow, or has failed at least twice as often, as in its own month before.",
        "Compare with what has changed three days ago: a plug-in, an update, more visitors, another customer on the same machine. If nothing has, ask the host.",
        "この3日間、サイトのサーバーの応答時間または失敗の割合が、直前の1か月の2倍以上になっています。",
        "3日前に変わったこと（プラグイン、更新、アクセスの増加、同じサーバーの他の利用者）をご確認ください。心当たりがなければ、ホスティング会社にお問い合わせください。";
    DISK_FILLING:
        "The disk of the state directory is nearly full, or will be within two weeks if it goes on as in the last ones. Then Katahai can store neither snapshots nor forms.",
        "Find out what grows (\"du -x -d1 -h\"), make room, or keep fewer snapshots (\"mirror.keep\", \"mirror.keep_for\").",
        "state_dir のあるディスクの空きが残りわずかか、最近の増え方では2週間以内になくなります。空きがなくなると、スナップショットもフォームも保存できません。",
        "増えているものを調べて（「du -x -d1 -h」）空きを増やすか、保存するスナップショットを減らしてください（mirror.keep、mirror.keep_for）。";
    SNAPSHOT_OLD:
        "The snapshot in service is older than three crawls should let it be. In an outage, visitors would see old prices and news.",
        "\"katahai status\" says why the last crawls put none in service: they failed, the gate held them, or somebody went back by hand.",
        "公開中のスナップショットが、クロール3回分の間隔より古くなっています。このまま障害が起きると、訪問者には古い価格やお知らせが表示されます。",
        "最近のクロールが反映されない理由（失敗、検査での保留、手動での復元）は「katahai status」に表示されます。";
    COVERAGE_LOW:
        "The snapshot in service lacks much of what visitors ask for, or much more than it did before. In an outage they would get the holding page for it.",
        "\"katahai status\" and the dashboard list the missing paths. Let the crawl reach them: key pages, \"mirror.max_pages\", \"mirror.exclude\", robots.txt, or pages that need a login.",
        "公開中のスナップショットには、訪問者がアクセスするページの多くが含まれていないか、以前より大きく減っています。障害時、それらのページはお知らせのページになります。",
        "不足しているパスは「katahai status」と管理画面で確認できます。重要なページ、mirror.max_pages、mirror.exclude、robots.txt、ログインの要否をご確認ください。";
    DRILL_FAILED:
        "The self-test walked the copy as a visitor would in an outage, and a key page or what is sent through a form would be lost, or its score fell by 10 or more.",
        "\"katahai drill SITE\" lists what would be missing, each with what to do, and the lines for forms. Run it again when it is put right: that ends this alert.",
        "自己診断で障害時と同じようにコピーをたどった結果、重要ページやフォームの送信内容が失われるか、点数が10点以上下がりました。",
        "不足しているものと対応、フォームの設定に追加する行は「katahai drill サイト名」で確認できます。対応後にもう一度実行すると、この通知は終わります。";
    CLOCK_WRONG:
        "The clock of this machine is more than a minute off, as several servers agree. Katahai misjudges the ages of copies and the ends of certificates and domains.",
        "Set the clock, and have it synchronised: \"timedatectl set-ntp true\", or chrony.",
        "このマシンの時計が、複数のサーバーの時刻と1分以上ずれています。コピーの経過時間や、証明書とドメインの期限を正しく判断できません。",
        "時計を合わせ、時刻同期を有効にしてください（「timedatectl set-ntp true」または chrony）。";
}
