//! The origin's name, the way to it, and its certificate.

super::advice! {
    NAME_NOT_FOUND:
        "The name of the site's server does not exist (NXDOMAIN). The domain has expired, or somebody deleted its DNS record.",
        "Ask your registrar whether the domain is paid for, and look up the record with \"dig NAME\". Until it is back, you can put an IP address instead of the name under \"origin\".",
        "サイトのサーバーの名前（ドメイン）が存在しません（NXDOMAIN）。ドメインの期限切れか、DNSレコードの削除が考えられます。",
        "ドメイン管理会社で更新料の支払い状況をご確認のうえ、「dig 名前」でレコードをお確かめください。復旧までは、設定の origin に名前の代わりにIPアドレスを書く方法もあります。";
    NAME_SERVERS_FAIL:
        "The name servers of the site's domain answer with an error (SERVFAIL). Usually its DNSSEC signatures have expired, or a zone was published with a mistake.",
        "Contact whoever runs the domain's DNS; an online DNSSEC checker shows a broken chain. Until then, Katahai keeps using the last good addresses.",
        "ドメインのネームサーバーがエラー（SERVFAIL）を返しています。DNSSEC（DNSの電子署名）の期限切れや、ゾーン設定の誤りがよくある原因です。",
        "DNSの管理会社にお問い合わせください。それまでの間、Katahaiは最後に正常だったアドレスで接続を続けます。";
    NAME_SERVERS_SILENT:
        "No DNS server answers a query for the site's server. This machine cannot reach its resolver, or the resolver cannot reach the domain's own servers.",
        "Run \"dig NAME\" on this machine. If other names fail as well, check its network and /etc/resolv.conf; if not, contact the domain's DNS provider.",
        "サイトのサーバーの名前を問い合わせても、DNSサーバーから応答がありません。このマシンのリゾルバー（名前解決の窓口）か、ドメイン側のDNSに接続できない状態です。",
        "このマシンで「dig 名前」をお試しください。ほかの名前も引けなければ、ネットワークと /etc/resolv.conf をご確認ください。この名前だけが引けない場合は、DNSの管理会社にお問い合わせください。";
    NAME_MOVED:
        "The name of the site's server suddenly points to other addresses, and what answers there is not the site. Katahai does not follow it.",
        "If you did not move the site, log in to your registrar now: the domain may have expired or been taken over. If you did, check that the new server has the site.",
        "サイトのサーバーの名前が突然別のアドレスを指すようになり、その先にあるのはこのサイトではありません。Katahaiは新しいアドレスには切り替えていません。",
        "移転の予定がなければ、ドメインの期限切れや乗っ取りのおそれがありますので、すぐにドメイン管理会社へご連絡ください。移転した場合は、新しいサーバーの内容をご確認ください。";
    REFUSED:
        "The site's server refuses connections. The machine is on, but its web server is not running, or a firewall blocks Katahai.",
        "Start the web server (\"systemctl status nginx\" or \"apache2\" shows why it stopped). If it is running, allow this machine's address in the firewall.",
        "サイトのサーバーが接続を拒否しています。マシンは動いていますが、Webサーバーが停止しているか、ファイアウォールで遮断されています。",
        "サーバーで「systemctl status nginx」（または apache2）を実行し、停止していれば起動してください。動いている場合は、ファイアウォールでこのマシンのアドレスを許可してください。";
    UNREACHABLE:
        "The network reports no route to the site's server. The machine is off, or a line in between is down.",
        "Check the host's status page, and try \"ping\" from another network. If only this machine cannot reach the server, check its own network.",
        "サイトのサーバーまでの経路がありません。サーバーが停止しているか、途中の回線に障害が起きています。",
        "ホスティング会社の障害情報をご確認ください。ほかの場所からは接続できる場合、このマシンのネットワークをお調べください。";
    CONNECT_TIMEOUT:
        "The site's server does not respond to connection attempts. It is off or overloaded, or a firewall drops the packets.",
        "See in the host's control panel whether the machine is running and how busy it is; a restart may help. If it is fine, allow this machine's address in its firewall.",
        "接続を試みても、サイトのサーバーから反応がありません。停止しているか、過負荷になっているか、ファイアウォールが通信を破棄しています。",
        "ホスティング会社の管理画面で、サーバーの稼働状況と負荷をご確認ください。正常であれば、ファイアウォールでこのマシンのアドレスを許可してください。";
    CERTIFICATE_EXPIRED:
        "The certificate of the site's server has expired. Its automatic renewal has stopped working.",
        "Renew it on the server (\"certbot renew\") and reload the web server. Until then no challenge reaches it by HTTP through Katahai: renew by DNS-01, move DNS back first, or pin its key (\"pin\"), which also keeps the live site in use.",
        "サイトのサーバーの証明書の有効期限が切れています。自動更新が止まっていると考えられます。",
        "サーバーで証明書を更新し（「certbot renew」や管理画面など）、Webサーバーを再読み込みしてください。認証局の確認は、Katahaiが信頼できる接続でしかサーバーに届きません。DNSによる確認（DNS-01）を使うか、先にDNSを元のサーバーに戻すか、設定の pin に鍵を登録してください。pin があれば、期限切れの間も接続を続けられます。";
    CERTIFICATE_NOT_YET_VALID:
        "The certificate of the site's server is not valid yet. Usually a clock is wrong: the server's or this machine's.",
        "Compare \"date -u\" on both machines with the real time. If both are right, the server has the wrong certificate installed.",
        "サイトのサーバーの証明書は、まだ有効期間が始まっていません。多くの場合、どちらかのマシンの時計がずれています。",
        "両方のマシンで「date -u」を実行し、正しい時刻と比べてください。時計が正しければ、別の証明書が設置されています。";
    CERTIFICATE_OF_ANOTHER:
        "The site's server presents a certificate for another name. The site is not set up there (any more), or its name points to the wrong machine.",
        "Check on the server that the site has a certificate for this name. Then check that the name has the right address (\"dig NAME\").",
        "サイトのサーバーが、別の名前の証明書を提示しています。サーバー側にこのサイトの設定がないか、名前が別のマシンを指しています。",
        "サーバーでこの名前の証明書が設定されているか、また名前のアドレスが正しいか（「dig 名前」）をご確認ください。";
    CERTIFICATE_UNTRUSTED:
        "The certificate of the site's server does not come from an authority that this machine trusts. It is self-signed, or an intermediate certificate is missing.",
        "Install the full chain on the server. If you use an authority of your own, name its file with \"ca\" under the origin.",
        "サイトのサーバーの証明書が、信頼できる認証局のものではありません。自己署名であるか、中間証明書が不足しています。",
        "サーバーに中間証明書を含めて設置し直してください。自前の認証局をお使いの場合は、設定の origin に ca でそのファイルを指定してください。";
    CERTIFICATE_KEY_CHANGED:
        "The certificate of the site's server is valid, but its key is none of the pinned ones. Either it was renewed with a new key, or somebody else answers.",
        "Ask whoever renewed it. If the new key is right, put it under \"pin\" and run \"katahai reload\"; if nobody renewed it, treat this as an attack.",
        "サイトのサーバーの証明書は有効ですが、登録済みの鍵（pin）と一致しません。新しい鍵で更新されたか、第三者が応答している可能性があります。",
        "更新した担当者にご確認ください。正しい更新であれば、新しい鍵を pin に書いて「katahai reload」を実行してください。心当たりがなければ、不正アクセスとして対応してください。";
    CERTIFICATE_PINNED:
        "The certificate of the site's server is no longer valid, but its key is the one that you pinned. Katahai goes on using the live site.",
        "Renew the certificate soon: visitors who open the server directly get a warning.",
        "サイトのサーバーの証明書は無効ですが、登録済みの鍵（pin）と一致するため、接続を続けています。",
        "早めに証明書を更新してください。サーバーに直接アクセスする人には警告が表示されます。";
    CERTIFICATE_EXPIRING:
        "The certificate of the site's server expires soon. After that, Katahai, like any browser, does not connect to that server.",
        "Find out on the server why it is not renewed (\"certbot renew --dry-run\", or the host's control panel), renew it, and reload the web server.",
        "サイトのサーバーの証明書の期限が近づいています。期限を過ぎると、ブラウザーと同じく、Katahaiもそのサーバーに接続しません。",
        "自動更新が動いていない原因をサーバーでお調べのうえ（「certbot renew --dry-run」や管理画面など）、証明書を更新し、Webサーバーを再読み込みしてください。";
    TLS_REFUSED:
        "The site's server breaks off the TLS handshake. It has no site of this name, supports only outdated versions of TLS, or this port does not speak TLS.",
        "Run \"openssl s_client -connect HOST:PORT -servername NAME\" to see why. The server must support TLS 1.2 or 1.3 and have the site set up for this name. If the port speaks plain http, write http:// in \"url\".",
        "安全な接続（TLS）の確立中に、サイトのサーバーが通信を打ち切りました。この名前のサイトが設定されていないか、古いTLSにしか対応していないか、TLSではないポートです。",
        "「openssl s_client -connect HOST:PORT -servername NAME」でお確かめください。TLS 1.2以上が有効で、この名前のサイトが設定されている必要があります。TLSを使わないポートであれば、設定の origin の url を http:// にしてください。";
}
