"""Ways to lose a header, to double it, or to let too much in: file, what is there, what is there instead."""

ROUTES = "templates/snippets/routes.conf.template"
STATIC = 'alias "${PONTE_STATIC}/";\n    include features/pages/*.conf;\n    include snippets/response-headers.conf;'
HEADERS = "snippets/security-headers.conf"
MUTATIONS = [
    (ROUTES, STATIC, STATIC.replace("include snippets/response-headers.conf;", "")),
    (
        ROUTES,
        "location = /static ",
        "location = /flask/json { add_header X-Mine 1; proxy_pass http://flask/; }\nlocation = /static ",
    ),
    ("snippets/response-headers.conf", "$frame_options      always", "$frame_options"),
    ("snippets/response-headers.conf", "$nosniff            always", "$nosniff"),
    ("snippets/response-headers.conf", "$retry_after    always", "$retry_after"),
    ("snippets/error-pages.conf", "error_page 416 /error.416;", "error_page 416 $error_page;"),
    ("snippets/error-pages.conf", 'add_header X-Request-ID "";', ""),
    (HEADERS, "map $upstream_http_x_frame_options", "map $http_x_nobody_sends"),
    (HEADERS, "SAMEORIGIN", '""'),
    ("snippets/proxy.conf", "proxy_hide_header Strict-Transport-Security;", ""),
    ("templates/snippets/https.conf.template", "map $client_scheme $hsts", "map https $hsts"),
    ("templates/snippets/https.conf.template", r'"~^\d+\.\d+\.\d+\.\d+$"    "";', ""),
    ("templates/snippets/site.conf.template", "script-src 'self'", "script-src 'self' 'unsafe-inline'"),
    (ROUTES, "default-src 'none'", "default-src 'self'"),
]
