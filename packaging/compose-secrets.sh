#!/usr/bin/env bash
# Make what compose.yaml needs and nobody may guess: passwords, an authority of its own, a TLS pair
# for each server. Each file is readable by the account of the one container that reads it.
#
#   sudo ./packaging/compose-secrets.sh secrets
#
# Refuses a folder that exists. Writes into a folder beside it and renames that when it is whole.
set -euo pipefail
umask 077

if (($# != 1)) || [[ $1 == -* ]]; then
  echo "usage: $(basename "$0") FOLDER" >&2
  exit 64
fi
target=$1
if [[ -e $target ]]; then
  echo "$target đã có, không ghi đè / exists, nothing is overwritten" >&2
  exit 64
fi
# Accounts inside the images: gateway, postgres, rabbitmq; the S3 store runs as root.
readonly GATEWAY=10001 POSTGRES=999 RABBITMQ=999
readonly DAYS=825
part=$target.part
rm -rf -- "$part"
mkdir -p -- "$part"
cd "$part"

password() { openssl rand -hex 32; }

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -sha256 \
  -subj "/CN=vanlien compose" -addext "keyUsage=critical,keyCertSign,cRLSign" \
  -keyout ca.key -out ca.pem 2> /dev/null

# pair NAME HOSTS...: a key and a certificate for the names a server is called by.
pair() {
  local name=$1 hosts=
  shift
  for host in "$@"; do hosts+=",DNS:$host"; done
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256 \
    -subj "/CN=$1" -keyout "$name.key" -out "$name.csr" 2> /dev/null
  openssl x509 -req -in "$name.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days "$DAYS" \
    -sha256 -out "$name.pem" 2> /dev/null \
    -extfile <(printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth\n' "${hosts#,}")
  rm -- "$name.csr"
}
pair gateway gateway-1 gateway-2 localhost
pair postgres postgres
pair rabbitmq rabbitmq
pair s3 s3 localhost

password > postgres.password
password > rabbitmq.password
openssl rand -hex 10 > s3-access.key
password > s3-secret.key
# The same values for the servers themselves, under their own accounts.
cp postgres.password postgres-server.password
cp s3-access.key s3-server-access.key
cp s3-secret.key s3-server-secret.key
cat > rabbitmq.conf << CONF
listeners.tcp = none
listeners.ssl.default = 5671
ssl_options.certfile = /run/secrets/rabbitmq.pem
ssl_options.keyfile = /run/secrets/rabbitmq.key
ssl_options.versions.1 = tlsv1.3
ssl_options.versions.2 = tlsv1.2
default_vhost = vanlien
default_user = vanlien
default_pass = $(cat rabbitmq.password)
default_user_tags.administrator = false
CONF

if [[ $(id -u) == 0 ]]; then
  chown "$GATEWAY:$GATEWAY" gateway.* postgres.password rabbitmq.password s3-access.key s3-secret.key
  chown "$POSTGRES:$POSTGRES" postgres.pem postgres.key postgres-server.password
  chown "$RABBITMQ:$RABBITMQ" rabbitmq.conf rabbitmq.pem rabbitmq.key
else
  echo "không phải root: hãy chown như trong tệp này / not root: chown as this file does" >&2
fi
chmod 0644 ca.pem ./*.pem
rm -f -- ca.srl
cd - > /dev/null
mv -T -- "$part" "$target"
echo "$target: giữ ca.key nơi khác / keep ca.key elsewhere"
