#!/bin/sh
# Makes a development authority and a certificate that it issues: ./make-dev.sh [-o DIR] [NAME|ADDRESS]...
# The authority is made once and kept, so that a browser has to trust it only once.
set -eu

usage() {
    echo "usage: $0 [-o DIR] [NAME|ADDRESS]..." >&2
    exit 2
}

out=$(dirname "$0")/dev
while getopts o: option; do
    case $option in
        o) out=$OPTARG ;;
        *) usage ;;
    esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || set -- localhost 127.0.0.1 ::1

names=
for name in "$@"; do
    case $name in
        *[!A-Za-z0-9.:*-]* | '') echo "$0: \"$name\" is neither a name nor an address" >&2; exit 2 ;;
        *:*) kind=IP ;;
        *[!0-9.]*) kind=DNS ;;
        *) kind=IP ;;
    esac
    names=${names:+$names,}$kind:$name
done

umask 077
mkdir -p "$out"
if [ ! -f "$out/ca.pem" ] || [ ! -f "$out/ca.key" ]; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 825 \
        -subj "/CN=Katahai development authority" \
        -addext "basicConstraints=critical,CA:TRUE,pathlen:0" \
        -addext "keyUsage=critical,keyCertSign,cRLSign" \
        -keyout "$out/ca.key" -out "$out/ca.pem" 2>/dev/null
    chmod 0644 "$out/ca.pem"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat > "$work/extensions" <<END
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = $names
END
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=Katahai development" \
    -keyout "$work/key" -out "$work/request" 2>/dev/null
openssl x509 -req -in "$work/request" -CA "$out/ca.pem" -CAkey "$out/ca.key" -days 90 \
    -set_serial "0x$(openssl rand -hex 16 | sed 's/^./1/')" -extfile "$work/extensions" -out "$work/cert" 2>/dev/null
openssl verify -CAfile "$out/ca.pem" "$work/cert" >/dev/null

# both at the end, so that a failure leaves the pair that was there
mv "$work/key" "$out/dev.key"
chmod 0644 "$work/cert"
mv "$work/cert" "$out/dev.pem"
echo "$out/dev.pem and $out/dev.key are for: $*"
echo "trust $out/ca.pem"
