#!/bin/sh
# Starts nginx in a container: computes PONTE_*, renders the configuration, tests it, becomes nginx.
# deploy/edge.py does the same natively; a test holds the two together.
#
#   entrypoint.sh          render, test, run
#   entrypoint.sh render   render and test; a running nginx is not told
#   entrypoint.sh reload   render, test, then tell the running nginx
#   entrypoint.sh WORDS    run WORDS instead, such as `nginx -V`
#
# Reads SERVER_NAMES, BIND_ADDRESS and MAX_UPLOAD. A PONTE_ variable that is already set is left as it is.
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

member() { echo "    server $1 resolve max_fails=3 fail_timeout=2s;"; }
nobody() { echo "    server 127.0.0.1:1 down;"; }

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
private() {
    case ${BIND_ADDRESS:-127.0.0.1} in 127.* | ::1 | localhost) ;; *) echo 'deny all;' ;; esac
}

# --- the variables -----------------------------------------------------------------------------------

variables() {
    # (!) These may fail, and inside : "${NAME=$(...)}" a failure would be swallowed.
    [ "${PONTE_SERVER_NAMES+set}" ] || PONTE_SERVER_NAMES=$(server_names)
    [ "${PONTE_MAX_UPLOAD+set}" ] || PONTE_MAX_UPLOAD=$(bytes "${MAX_UPLOAD:-1g}")
    [ "${PONTE_RESOLVER+set}" ] || PONTE_RESOLVER=$(resolver)
    : "${PONTE_USER=$([ "$(id -u)" != 0 ] || echo 'user nobody nogroup;')}"
    : "${PONTE_WORKERS=$(workers)}"
    : "${PONTE_FILES=$(open_files)}"
    : "${PONTE_CONNECTIONS=$((PONTE_FILES / 2))}"
    : "${PONTE_PID=$OUT/nginx.pid}"
    : "${PONTE_ERROR_LOG=stderr}"
    : "${PONTE_ACCESS_LOG=/dev/stdout}"
    : "${PONTE_TEMP=/var/cache/ponte}"
    : "${PONTE_UPSTREAM_FLASK=$(member flask:8001)}"
    : "${PONTE_UPSTREAM_DJANGO=$(member django:8002)}"
    : "${PONTE_UPSTREAM_DJANGO_ASGI=$(member django-asgi:8003)}"
    : "${PONTE_UPSTREAM_FASTAPI=$(member fastapi:8004)}"
    : "${PONTE_UPSTREAM_LOCUST=$(nobody)}"
    : "${PONTE_LISTEN=    listen 8080;}"
    : "${PONTE_LISTEN_UNKNOWN=    listen 8080 default_server;}"
    : "${PONTE_PRIVATE=$(private)}"
    : "${PONTE_SITE=/srv/site}"
    : "${PONTE_STATIC=/srv/static}"
    : "${PONTE_REPORTS=/srv/reports}"
    NAMES=$(set | sed -n 's/^\(PONTE_[A-Z_]*\)=.*/\1/p')
    export $NAMES
}

# --- rendering ---------------------------------------------------------------------------------------

# A feature's first line says what it needs: `# needs nginx >= 1.29.8`, `# needs nginx < 1.29.3` or `# needs --with-...`.
met() {
    case $1 in
        "nginx >= "*) [ "$(printf '%s\n%s\n' "${1#nginx >= }" "$VERSION" | sort -V | head -n 1)" = "${1#nginx >= }" ] ;;
        "nginx < "*) ! met "nginx >= ${1#nginx < }" ;;
        --*) echo "$BUILD" | grep -q -e "$1\b" ;;
        *) fail "'# needs $1' is not understood" ;;
    esac
}

# envsubst is given the names: everything else, $host and its like, is nginx's own.
render() {
    variables
    BUILD=$("$NGINX" -V 2>&1)
    VERSION=$(echo "$BUILD" | sed -n 's|^nginx version: .*/\([0-9.]*\).*|\1|p')
    rm -rf "$NEW"
    mkdir -p "$NEW" "$PONTE_TEMP" || fail "$OUT and $PONTE_TEMP have to be writable for $(id -un 2>/dev/null || id -u)"
    (cd "$SOURCE" && find nginx.conf mime.types conf.d features services snippets -type f 2>/dev/null) | while read -r file; do
        case $file in
            features/*.conf) met "$(sed -n '1s/^# needs //p' "$SOURCE/$file")" || continue ;;
            features/*) continue ;;
        esac
        mkdir -p "$NEW/$(dirname "$file")"
        cat "$SOURCE/$file" > "$NEW/$file"
    done
    wanted=$(for name in $NAMES; do printf '${%s} ' "$name"; done)
    (cd "$SOURCE/templates" && find . -name '*.template') | while read -r file; do
        mkdir -p "$NEW/$(dirname "$file")"
        envsubst "$wanted" < "$SOURCE/templates/$file" > "$NEW/${file%.template}"
    done
    if grep -rn '${PONTE_' "$NEW"; then fail "a template uses a variable that nothing sets"; fi
}

# Tested beside the old files, then put in their place.
install() {
    render
    "$NGINX" -e stderr -p "$OUT/" -c "$NEW/nginx.conf" -q -t || fail "nginx refuses its configuration"
    set +f
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
        exec "$NGINX" -e stderr -p "$OUT/" -c "$OUT/nginx.conf" -g 'daemon off;'
        ;;
    render) install ;;
    reload) install && exec "$NGINX" -e stderr -p "$OUT/" -c "$OUT/nginx.conf" -s reload ;;
    *) exec "$@" ;;
esac
