"""One thing broken in a rendering -> who has to say so: `nginx`, a check of gixy, or a rule of this folder."""

UPSTREAM, PROXY, ROUTES = "conf.d/upstreams.conf", "snippets/proxy.conf", "snippets/routes.conf"
SITE, TLS, FLASK, FASTAPI = "snippets/site.conf", "snippets/tls.conf", "services/flask.conf", "services/fastapi.conf"
UNKNOWN = "snippets/unknown.conf"

# file, what stands there, what stands there then, who says so
MUTATIONS: list[tuple[str, str, str, str]] = [
    # an alias that climbs out of its folder, headers that a location loses
    (ROUTES, "location /static/ {", "location /static {", "alias_traversal"),
    (ROUTES, 'static/";\n    include features/pages/*.conf;\n    include snippets/response-headers.conf;', 'static/";', "add_header_redefinition"),
    (SITE, "include snippets/response-headers.conf;", "", "add_header_redefinition"),
    (SITE, "include snippets/response-headers.conf;", "", "lost headers"),
    (ROUTES, "autoindex on;\n}", "}\nautoindex on;", "listed folders"),
    # what an application believes
    (PROXY, "Host              $host;", "Host              $http_host;", "host_spoofing"),
    (PROXY, "Host              $host;", "Host              $http_host;", "forwarded headers"),
    (PROXY, "X-Forwarded-For   $remote_addr;", "X-Forwarded-For   $proxy_add_x_forwarded_for;", "forwarded headers"),
    (PROXY, "X-Forwarded-Proto $client_scheme;", "X-Forwarded-Proto $http_x_forwarded_proto;", "forwarded headers"),
    (PROXY, 'proxy_set_header X-Real-IP         "";', "", "forwarded headers"),
    (FASTAPI, "location /fastapi/ws/ {", "location /fastapi/ws/ {\n proxy_set_header X-Room a;", "forwarded headers"),
    (PROXY, "proxy_set_header Upgrade    $upgrade_to;", "proxy_set_header Upgrade $http_upgrade;", "forwarded headers"),
    ("nginx.conf", "server_tokens off;", "server_tokens off;\nunderscores_in_headers on;", "no underscores_in_headers"),
    ("nginx.conf", "server_tokens off;", "server_tokens off;\nignore_invalid_headers off;", "no ignore_invalid_headers"),
    # who is asked, for how long, how often
    (UPSTREAM, " max_fails=3 fail_timeout=2s", "", "max_fails of a member"),
    (UPSTREAM, "zone flask 128k;", "", "zone of an upstream"),
    (UPSTREAM, "zone flask 128k;", "", "nginx"),
    ("snippets/upstream.conf", "keepalive 32;", "", "keepalive of an upstream"),
    (UPSTREAM, "proxy_http_version 1.1;", "proxy_http_version 1.0;", "connections that are kept"),
    (FASTAPI, "proxy_pass http://fastapi/;", "include snippets/upstream-http2.conf; proxy_pass http://fastapi/;", "pools of one protocol"),
    ("snippets/long-lived.conf", "proxy_http_version 1.1;", "proxy_http_version 2;", "upgrades"),
    (PROXY, "proxy_next_upstream error timeout;", "proxy_next_upstream error timeout non_idempotent;", "proxy_next_upstream"),
    (PROXY, "proxy_next_upstream error timeout;", "proxy_next_upstream error timeout http_500;", "proxy_next_upstream"),
    (PROXY, "proxy_next_upstream_timeout 5s;", "", "proxy_next_upstream_timeout"),
    (PROXY, "proxy_next_upstream_tries 3;", "", "proxy_next_upstream_tries"),
    (PROXY, "proxy_intercept_errors off;", "proxy_intercept_errors on;", "proxy_intercept_errors"),
    (PROXY, "proxy_redirect off;", "proxy_redirect default;", "proxy_redirect"),
    (PROXY, "proxy_read_timeout 60s;", "proxy_read_timeout 1h;", "long waits"),
    (UPSTREAM, "resolver 127.0.0.11", "resolver 8.8.8.8", "resolver_external"),
    # a path that ends elsewhere
    (FLASK, "proxy_pass http://flask/;", "proxy_pass http://flask$uri;", "http_splitting"),
    (FLASK, "return 308 /flask/$is_args$args;", "return 308 $uri/;", "http_splitting"),
    (FLASK, "proxy_pass http://flask/;", "proxy_pass http://$arg_to/;", "ssrf"),
    ("nginx.conf", "server_tokens off;", "server_tokens off;\nmerge_slashes off;", "no merge_slashes"),
    # traps of `if` and of regular expressions
    (FLASK, "proxy_pass http://flask/;", "if ($arg_a) { proxy_buffering off; }", "nginx"),
    (FLASK, "proxy_pass http://flask/;", 'proxy_pass http://flask/;\nif ($arg_a) { set $a 1; }', "if_is_evil"),
    ("snippets/static.conf", '"~\\.[0-9a-f]{12}\\.[^./]+$"', '"~^(/[a-z]+)+(\\.[0-9a-f]*)*$"', "bounded expressions"),
    (ROUTES, "location = /favicon.ico {", "location ~ ^/(fav|favicon)+(.ico)*$ {", "regex_redos"),
    (ROUTES, "location / {", "valid_referers none server_names;\nlocation / {", "valid_referers"),
    # foreign hosts, and who may look
    ("conf.d/unknown.conf", " default_server", "", "default_server_flag"),
    ("conf.d/unknown.conf", " default_server", "", "foreign hosts"),
    ("conf.d/https.conf", "~.;", "elsewhere.test;", "foreign hosts"),
    (UNKNOWN, "location / {\n    return 444;", "location / {\n    return 404;", "foreign hosts"),
    ("snippets/private.conf", 'auth_basic "Ponte";', 'satisfy any;\nauth_basic "Ponte";', "no satisfy"),
    ("snippets/private.conf", 'auth_basic "Ponte";', "allow 10.0.0.0/8;", "allow_without_deny"),
    ("conf.d/status.conf", "access_log off;", "access_log off;\n    deny all;", "return_bypasses_allow_deny"),
    ("conf.d/status.conf", "access_log off;", "access_log off;\n    deny all;", "returns past a deny"),
    # TLS
    (TLS, "ssl_prefer_server_ciphers off;", "ssl_prefer_server_ciphers on;", "ssl_prefer_server_ciphers"),
    (TLS, "ssl_protocols TLSv1.2 TLSv1.3;", "ssl_protocols TLSv1.1 TLSv1.2 TLSv1.3;", "weak_ssl_tls"),
    (TLS, "ssl_protocols TLSv1.2 TLSv1.3;", "", "ssl_protocols"),
    (TLS, "ssl_ciphers ", "ssl_ciphers DES-CBC3-SHA:", "weak_ssl_tls"),
    (TLS, "ssl_session_tickets off;", "", "ssl_session_tickets"),
    ("conf.d/http.conf", "server {", "server {\n    http2 on;", "http2 with TLS only"),
    # what is told, kept, and taken
    ("nginx.conf", "server_tokens off;", "server_tokens on;", "version_disclosure"),
    ("nginx.conf", "server_tokens off;", "server_tokens on;", "server_tokens"),
    ("nginx.conf", "absolute_redirect off;", "", "absolute_redirect"),
    ("snippets/error-pages.conf", "505 $error_page;", "505 @error;", "error pages"),
    ("snippets/log.conf", " buffer=64k flush=1s", "", "buffered log"),
    ("snippets/cache.conf", "$client_scheme://$host$colon_port$request_uri", "$proxy_host$request_uri", "cache key"),
    ("snippets/cached.conf", "proxy_cache $cache;", "proxy_cache $cache;\nproxy_ignore_headers Set-Cookie;", "heeded headers"),
    (PROXY, "proxy_hide_header X-Powered-By;", "proxy_pass_header Server;", "no proxy_pass_header"),
    (ROUTES, "client_max_body_size 1048576;", "client_max_body_size 0;", "bounded bodies"),
    (ROUTES, "client_max_body_size 1048576;", "", "bounded bodies"),
    ("snippets/client.conf", "reset_timedout_connection on;", "", "reset_timedout_connection"),
    ("snippets/limits.conf", "limit_req_status  429;", "", "limit_req_status"),
    ("snippets/limits.conf", "limit_conn_status 429;", "", "limit_conn_status"),
]  # fmt: skip
