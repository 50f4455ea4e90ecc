#!/bin/sh
# Starts nginx in a container: computes PONTE_*, renders the configuration, tests it, becomes nginx.
# deploy/edge.py does the same natively; a test holds the two together.
#
#   entrypoint.sh          render, test, run
#   entrypoint.sh render   render and test; a running nginx is not told
#   entrypoint.sh reload   render, test, then tell the running nginx
#   entrypoint.sh WORDS    run WORDS instead, such as `nginx -V`
#
# Reads SERVER_NAMES, BIND_ADDRESS, MAX_UPLOAD, STAGE, RELEASE, HTTPS_PORT, HTTPS_REDIRECT, HSTS, HTTP3, TRUSTED_PROXIES,
# RATE_LIMIT, CONNECTION_LIMIT, LIMIT_EXEMPT, UPSTREAM_HTTP2 (of one service FLASK_UPSTREAM_HTTP2, ...) and SERVICE_DOMAIN.
# A PONTE_ variable that is already set is left as it is.
# Needs no root, no capability and no writable file but PONTE_OUT and PONTE_TEMP. Stop it with QUIT.
set -euf

SOURCE=${PONTE_SOURCE:-/etc/ponte/nginx}
OUT=${PONTE_OUT:-/run/nginx}
NGINX=${NGINX_BIN:-nginx}
NEW=$OUT/.new

say() { echo "edge: $*" >&2; }
fail() { say "$*"; exit 2; }

# --- what the variables are made of ------------------------------------------------------------------

# Whole processors the cgroup grants (v2, then v1), no more than there are.
workers() {
    cgroup=${PONTE_CGROUP:-/sys/fs/cgroup} quota=max period=100000
    if [ -r "$cgroup/cpu.max" ]; then
        read -r quota period < "$cgroup/cpu.max"
    elif [ -r "$cgroup/cpu/cpu.cfs_quota_us" ]; then
        read -r quota < "$cgroup/cpu/cpu.cfs_quota_us"
        read -r period < "$cgroup/cpu/cpu.cfs_period_us"
    fi
    have=$(nproc)
    case $quota in max | -1) echo "$have"; return ;; esac
    granted=$(((quota + period - 1) / period))
    if [ "$granted" -lt "$have" ]; then echo "$granted"; else echo "$have"; fi
}

# Descriptors of a worker: the hard limit, 32768 at most.
open_files() {
    hard=$(ulimit -H -n)
    if [ "$hard" = unlimited ] || [ "$hard" -gt 32768 ]; then echo 32768; else echo "$hard"; fi
}

# `resolver` for the name servers this container was given. (!) One with a zone, fe80::1%eth0, nginx cannot use.
resolver() {
    servers=$(awk '$1 == "nameserver" && $2 !~ /%/ { print ($2 ~ /:/) ? "[" $2 "]" : $2 }' "${PONTE_RESOLV_CONF:-/etc/resolv.conf}")
    [ -n "$servers" ] || fail "/etc/resolv.conf names no name server, so no application can be found"
    echo "resolver $(echo $servers) valid=1s ipv6=off;"
}

# The name of a service for nginx, which knows no search domains: with SERVICE_DOMAIN behind it where names need one, as in
# Kubernetes.  NAME:PORT
whole() { echo "${1%:*}${SERVICE_DOMAIN:+.$SERVICE_DOMAIN}:${1##*:}"; }

member() { echo "    server $(whole "$1") resolve max_fails=3 fail_timeout=2s;"; }

# The names asked for and the address that is published, each once. A wildcard address is reached as loopback.
server_names() {
    case ${BIND_ADDRESS:-127.0.0.1} in
        0.0.0.0) address=127.0.0.1 ;;
        ::) address='[::1]' ;;
        *:*) address="[$BIND_ADDRESS]" ;;
        *) address=${BIND_ADDRESS:-127.0.0.1} ;;
    esac
    names=
    for name in ${SERVER_NAMES:-localhost 127.0.0.1 [::1] nginx} "$address"; do
        echo "$name" | grep -Eqx '\[[0-9A-Fa-f:.]+\]|(\*?\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*(\.\*)?\.?' ||
            fail "SERVER_NAMES holds '$name', which is no host name; write names or [IPv6] without a port"
        case " $names " in *" $name "*) ;; *) names="$names $name" ;; esac
    done
    echo "${names# }"
}

# 512k, 10m, 1g or plain bytes.
bytes() {
    echo "$1" | grep -Eqx '[0-9]{1,12}[kmgKMG]?' || fail "MAX_UPLOAD='$1' is not a size; write bytes, or 512k, 10m, 1g"
    digits=$(echo "$1" | sed 's/[^0-9]//; s/^0*//')
    [ -n "$digits" ] || fail "MAX_UPLOAD='$1' is not a size; write bytes, or 512k, 10m, 1g"
    case $1 in
        *[kK]) echo $((digits * 1024)) ;;
        *[mM]) echo $((digits * 1048576)) ;;
        *[gG]) echo $((digits * 1073741824)) ;;
        *) echo "$digits" ;;
    esac
}

# Reports and the load test's controls: open while only this machine can reach the published port.
# (!) A loopback address is everybody's once a load balancer on this machine leads to it.
private() {
    case ${BIND_ADDRESS:-127.0.0.1} in 127.* | ::1 | localhost) [ -n "${TRUSTED_PROXIES:-}" ] || return 0 ;; esac
    if [ -r "$PONTE_CREDENTIALS/users" ]; then
        printf 'auth_basic "Ponte";\nauth_basic_user_file "%s/users";\n' "$PONTE_CREDENTIALS"
    else
        echo 'deny all;'
    fi
}

# What a switch or a number is: what was set, else off locally, else what production has.  NAME LOCAL PRODUCTION
chosen() {
    value=$(printenv "$1" || true)
    if [ "${STAGE:-local}" = production ]; then echo "${value:-$3}"; else echo "${value:-$2}"; fi
}

# 1, or nothing for 0.
switch() {
    case $2 in 0) ;; 1) echo 1 ;; *) fail "$1='$2' is not a switch; choose from 0, 1" ;; esac
}

# UPSTREAM_HTTP2 of a service, else that of all.  PREFIX
http2() {
    own=$(printenv "$1_UPSTREAM_HTTP2" || true)
    if [ -n "$own" ]; then switch "$1_UPSTREAM_HTTP2" "$own"; else switch UPSTREAM_HTTP2 "${UPSTREAM_HTTP2:-0}"; fi
}

# A number, or nothing for 0.
count() {
    echo "$2" | grep -Eqx '[0-9]{1,6}' || fail "$1='$2' is not a number; write one, or 0 for no limit"
    echo "$2" | sed 's/^0*//'
}

# Networks, each as WORD NETWORK REST.  NAME VALUE BEFORE AFTER
networks() {
    for each in $(echo "$2" | tr ',' ' '); do
        echo "$each" | grep -Eqx '[0-9]{1,3}(\.[0-9]{1,3}){3}(/[0-9]{1,2})?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(/[0-9]{1,3})?' ||
            fail "$1 holds '$each', which is no address and no network; write such as 10.0.0.0/8"
        echo "$3$each$4"
    done
}

real_ip() {
    case ",${TRUSTED_PROXIES:-}," in
        */0[,\ ]*) fail "TRUSTED_PROXIES trusts everybody, who could then claim to be anybody; name the networks of your proxies" ;;
    esac
    lines=$(networks TRUSTED_PROXIES "${TRUSTED_PROXIES:-}" 'set_real_ip_from ' ';')
    [ -z "$lines" ] || printf '%s\nreal_ip_header X-Forwarded-For;\nreal_ip_recursive on;\n' "$lines"
}

# One port in the container, whatever port is published; over UDP too for HTTP/3.  WORDS UDP-WORDS
listen_tls() {
    [ -r "$PONTE_CREDENTIALS/certificate.pem" ] || return 0
    echo "    listen 8443 ssl$1;"
    [ -z "$PONTE_HTTP3" ] || echo "    listen 8443 quic$2;"
}

# --- the variables -----------------------------------------------------------------------------------

variables() {
    case ${STAGE:-local} in local | production) ;; *) fail "STAGE='$STAGE' is unknown; choose from local, production" ;; esac
    echo "${SERVICE_DOMAIN:-none}" | grep -Eqx '[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*' ||
        fail "SERVICE_DOMAIN='$SERVICE_DOMAIN' is no domain; write one such as ponte.svc.cluster.local"
    # (!) These may fail, and inside : "${NAME=$(...)}" a failure would be swallowed.
    [ "${PONTE_SERVER_NAMES+set}" ] || PONTE_SERVER_NAMES=$(server_names)
    [ "${PONTE_MAX_UPLOAD+set}" ] || PONTE_MAX_UPLOAD=$(bytes "${MAX_UPLOAD:-1g}")
    [ "${PONTE_RESOLVER+set}" ] || PONTE_RESOLVER=$(resolver)
    : "${PONTE_CREDENTIALS=/run/credentials}"
    [ "${PONTE_HTTP3+set}" ] || PONTE_HTTP3=$(switch HTTP3 "${HTTP3:-0}")
    [ "${PONTE_HTTPS_REDIRECT+set}" ] || PONTE_HTTPS_REDIRECT=$(switch HTTPS_REDIRECT "$(chosen HTTPS_REDIRECT 0 1)")
    hsts=$(switch HSTS "$(chosen HSTS 0 1)")
    rate=$(count RATE_LIMIT "$(chosen RATE_LIMIT 0 50)")
    [ "${PONTE_CONNECTION_LIMIT+set}" ] || PONTE_CONNECTION_LIMIT=$(count CONNECTION_LIMIT "$(chosen CONNECTION_LIMIT 0 50)")
    [ "${PONTE_LIMIT_EXEMPT+set}" ] || PONTE_LIMIT_EXEMPT=$(networks LIMIT_EXEMPT "${LIMIT_EXEMPT:-}" '    ' ' 1;')
    [ "${PONTE_PROXIES+set}" ] || PONTE_PROXIES=$(networks TRUSTED_PROXIES "${TRUSTED_PROXIES:-}" '    ' ' 1;')
    [ "${PONTE_REAL_IP+set}" ] || PONTE_REAL_IP=$(real_ip)
    [ "${PONTE_HTTP2_FLASK+set}" ] || PONTE_HTTP2_FLASK=$(http2 FLASK)
    [ "${PONTE_HTTP2_DJANGO+set}" ] || PONTE_HTTP2_DJANGO=$(http2 DJANGO)
    [ "${PONTE_HTTP2_DJANGO_ASGI+set}" ] || PONTE_HTTP2_DJANGO_ASGI=$(http2 DJANGO_ASGI)
    [ "${PONTE_HTTP2_FASTAPI+set}" ] || PONTE_HTTP2_FASTAPI=$(http2 FASTAPI)
    spoken=$PONTE_HTTP2_FLASK$PONTE_HTTP2_DJANGO$PONTE_HTTP2_DJANGO_ASGI$PONTE_HTTP2_FASTAPI
    : "${PONTE_KEEPALIVE_LOCAL=${spoken:+ local}}"
    : "${PONTE_RATE_LIMIT=$rate}"
    : "${PONTE_RATE_LIMIT_PAGES=${rate:+$((rate * 2))}}"
    : "${PONTE_RATE_LIMIT_SOCKETS=${rate:+$((rate * 6))}}"
    : "${PONTE_HSTS=${hsts:+max-age=63072000}}"
    port=${HTTPS_PORT:-8443}
    : "${PONTE_HTTPS_SUFFIX=$([ "$port" = 443 ] || echo ":$port")}"
    : "${PONTE_ALT_SVC=${PONTE_HTTP3:+h3=\":$port\"; ma=86400}}"
    : "${PONTE_LISTEN_TLS=$(listen_tls ' default_server' ' reuseport default_server')}"
    : "${PONTE_LISTEN_TLS_UNKNOWN=$(listen_tls '' '')}"
    : "${PONTE_STATUS=127.0.0.1:8081}"
    : "${PONTE_RELEASE=${RELEASE:-dev}}"
    : "${PONTE_USER=$([ "$(id -u)" != 0 ] || echo 'user nobody nogroup;')}"
    : "${PONTE_WORKERS=$(workers)}"
    : "${PONTE_FILES=$(open_files)}"
    : "${PONTE_CONNECTIONS=$((PONTE_FILES / 2))}"
    : "${PONTE_PID=$OUT/nginx.pid}"
    : "${PONTE_ERROR_LOG=stderr}"
    : "${PONTE_ACCESS_LOG=/dev/stdout}"
    : "${PONTE_LOG_BUFFER=4k}"
    : "${PONTE_TEMP=/var/cache/ponte}"
    : "${PONTE_CACHE=/var/cache/answers}"
    : "${PONTE_ACME=/srv/acme}"
    : "${PONTE_UPSTREAM_FLASK=$(member flask:8001)}"
    : "${PONTE_UPSTREAM_DJANGO=$(member django:8002)}"
    : "${PONTE_UPSTREAM_DJANGO_ASGI=$(member django-asgi:8003)}"
    : "${PONTE_UPSTREAM_FASTAPI=$(member fastapi:8004)}"
    : "${PONTE_LOCUST=$(whole locust:8089)}"
    : "${PONTE_LISTEN=    listen 8080;}"
    : "${PONTE_LISTEN_UNKNOWN=    listen 8080 default_server;}"
    : "${PONTE_PRIVATE=$(private)}"
    : "${PONTE_MODULES=$(echo "$BUILD" | grep -o -e '--modules-path=[^ ]*' | cut -d = -f 2)}"
    : "${PONTE_SITE=/srv/site}"
    # What releases have put beside the image's own files, for this container: one of another image has others.
    added=$PONTE_TEMP/static-$(hostname)
    [ ! -d "$added" ] || : "${PONTE_STATIC=$added}"
    : "${PONTE_STATIC=/srv/static}"
    : "${PONTE_REPORTS=/srv/reports}"
    NAMES=$(set | sed -n 's/^\(PONTE_[A-Z0-9_]*\)=.*/\1/p')
    export $NAMES
}

# --- rendering ---------------------------------------------------------------------------------------

# The first line of a file may say what it needs: `# needs nginx >= 1.29.8`, `# needs OpenSSL < 3.5`, `# needs --with-...`,
# `# needs PONTE_HTTP3` (one that is not empty), `# needs module ngx_...` (a file of that name in nginx's --modules-path), or
# several of them joined by `and`.
met() {
    rest=$1
    while [ -n "$rest" ]; do
        need=${rest%% and *}
        case $rest in *' and '*) rest=${rest#* and } ;; *) rest= ;; esac
        has "$need" || return 1
    done
}

has() {
    case $1 in
        "nginx >= "*) reaches "$VERSION" "${1#nginx >= }" ;;
        "nginx < "*) ! reaches "$VERSION" "${1#nginx < }" ;;
        "OpenSSL >= "*) reaches "$OPENSSL" "${1#OpenSSL >= }" ;;
        "OpenSSL < "*) ! reaches "$OPENSSL" "${1#OpenSSL < }" ;;
        "module "*) [ -f "$PONTE_MODULES/${1#module }.so" ] ;;
        --*) echo "$BUILD" | grep -q -e "$1\b" ;;
        PONTE_*) [ -n "$(printenv "$1")" ] ;;
        *) fail "'# needs $1' is not understood" ;;
    esac
}

# Is version $1 at least version $2?
reaches() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

# envsubst is given the names: everything else, $host and its like, is nginx's own.
render() {
    BUILD=$("$NGINX" -V 2>&1)
    variables
    VERSION=$(echo "$BUILD" | sed -n 's|^nginx version: .*/\([0-9.]*\).*|\1|p')
    OPENSSL=$(echo "$BUILD" | grep -Eo '(built|running) with OpenSSL [0-9.]+' | tail -n 1 | sed 's/.* //')
    : "${OPENSSL:=0}"
    [ -z "$PONTE_KEEPALIVE_LOCAL" ] || met "nginx >= 1.29.7 and --with-http_v2_module" ||
        fail "UPSTREAM_HTTP2=1 needs nginx 1.29.7 or later with HTTP/2, and this is $VERSION"
    rm -rf "$NEW"
    mkdir -p "$NEW" "$PONTE_TEMP" "$PONTE_CACHE" 2>/dev/null || fail "$OUT, $PONTE_TEMP and $PONTE_CACHE have to be writable for $(id -un 2>/dev/null || id -u)"
    wanted=$(for name in $NAMES; do printf '${%s} ' "$name"; done)
    (cd "$SOURCE" && find nginx.conf mime.types conf.d features services snippets local -type f \( -name '*.conf' -o -name mime.types \) 2>/dev/null) |
        while read -r file; do place "$file" "$file"; done
    (cd "$SOURCE/templates" && find . -name '*.template') | while read -r file; do
        place "templates/$file" "${file%.template}"
    done
    if grep -rn '${PONTE_' "$NEW"; then fail "a template uses a variable that nothing sets"; fi
}

place() {
    needs=$(sed -n '1s/^# needs //p' "$SOURCE/$1")
    met "$needs" || return 0
    mkdir -p "$NEW/$(dirname "$2")"
    case $1 in
        *.template) envsubst "$wanted" < "$SOURCE/$1" > "$NEW/$2" ;;
        *) cat "$SOURCE/$1" > "$NEW/$2" ;;
    esac
}

# Tested beside the old files, then put in their place. One at a time: a reload goes on when its caller was killed.
install() {
    mkdir -p "$OUT" && exec 9< "$OUT" || fail "$OUT has to be writable for $(id -un 2>/dev/null || id -u)"
    flock 9
    render
    "$NGINX" -e stderr -p "$OUT/" -c "$NEW/nginx.conf" -q -t || fail "nginx refuses its configuration"
    set +f
    for part in conf.d features services snippets local; do rm -rf "${OUT:?}/$part"; done
    for part in "$NEW"/*; do
        rm -rf "${OUT:?}/${part##*/}"
        mv "$part" "$OUT/"
    done
    rmdir "$NEW"
}

case ${1:-run} in
    run)
        install
        say "nginx $VERSION, worker processes: $PONTE_WORKERS, for $PONTE_SERVER_NAMES"
        exec "$NGINX" -e stderr -p "$OUT/" -c "$OUT/nginx.conf" -g 'daemon off;' 9<&-
        ;;
    render) install ;;
    reload) install && exec "$NGINX" -e stderr -p "$OUT/" -c "$OUT/nginx.conf" -s reload ;;
    *) exec "$@" ;;
esac
