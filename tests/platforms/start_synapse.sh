#!/bin/bash
# A real Matrix Synapse on loopback, for the tests and for looking at by hand.
#
#   start_synapse.sh VENV              only make VENV, if it is not there (matrix-synapse, pinned)
#   start_synapse.sh VENV DIR PORT     serve from DIR, new or used before, until stdin ends
#
# Prints the address when it is up. DIR holds the database, out.log and admin.tok, the token of
# the bot's own account. Accounts: nolone (the bot's own) and breakglass, which are admins, and
# alice; the password of each is pw-<name>. The application service's token is as-token.
set -euo pipefail
venv=$1
[ -x "$venv/bin/synapse_homeserver" ] || {
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check matrix-synapse==1.163.2
}
[ $# -eq 3 ] || exit 0
venv=$(cd "$venv" && pwd)
url=http://127.0.0.1:$3
mkdir -p "$2/data"
cd "$2"
synapse=("$venv/bin/python" -m synapse.app.homeserver)
[ -f hs.yaml ] || "${synapse[@]}" --server-name ts.localhost --config-path hs.yaml \
  --data-directory "$PWD/data" --generate-config --report-stats=no > generate.log
cat > bridge.yaml <<Y
id: bridge
url: null
as_token: as-token
hs_token: hs-token
sender_localpart: bridge
namespaces: {users: [{exclusive: true, regex: '@bridge_.*'}]}
Y
cat > over.yaml <<Y
listeners:
  - {bind_addresses: ['127.0.0.1'], port: $3, type: http, tls: false, resources: [{names: [client]}]}
app_service_config_files: [bridge.yaml]
trusted_key_servers: []
suppress_key_server_warning: true
federation_domain_whitelist: []
url_preview_enabled: false
allow_guest_access: true
bcrypt_rounds: 4
rc_registration: {per_second: 1000, burst_count: 1000}
rc_login:
  address: {per_second: 1000, burst_count: 1000}
  account: {per_second: 1000, burst_count: 1000}
  failed_attempts: {per_second: 1000, burst_count: 1000}
Y
"${synapse[@]}" -c hs.yaml -c over.yaml > out.log 2>&1 < /dev/null &
server=$!
trap 'kill $server 2> /dev/null && wait $server || true' EXIT
for _ in $(seq 600); do
  curl -sf -o health "$url/health" && break
  kill -0 $server 2> /dev/null || { tail -20 out.log >&2; exit 1; }
  sleep 0.1
done
register() { "$venv/bin/register_new_matrix_user" -c hs.yaml -u "$1" -p "pw-$1" "$2" "$url" > /dev/null; }
[ -f users.done ] || {
  register nolone --admin
  register breakglass --admin
  register alice --no-admin
  touch users.done
}
login='{"type":"m.login.password","identifier":{"type":"m.id.user","user":"nolone"},"password":"pw-nolone"}'
curl -sf "$url/_matrix/client/v3/login" -d "$login" |
  "$venv/bin/python" -c 'import json,sys; print(json.load(sys.stdin)["access_token"])' > admin.tok
echo "$url"
cat > /dev/null
