# Makes the files of mutual TLS between EnSight and its clients: sh certificates.sh FOLDER
# In it then are ca.crt, server.crt, server.key, client.crt and client.key. The server is localhost and 127.0.0.1.
set -eu
mkdir -p "$1"
cd "$1"

key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"; }

key ca
openssl req -x509 -new -key ca.key -days 2 -subj "/CN=EnSight test authority" -out ca.crt
for name in server client; do
    key "$name"
    printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\n' >extensions
    openssl req -new -key "$name.key" -subj "/CN=$name" |
        openssl x509 -req -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile extensions -out "$name.crt" 2>/dev/null
done
rm -f extensions ca.srl
