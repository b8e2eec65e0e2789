"""Pipit's public pages, as HTML without scripts or anything from elsewhere."""

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape

from bot.sandbox.platform_seeds import Account, Post

_STYLE = """
:root{color-scheme:light dark;--ink:#12202b;--soft:#5b6b77;--line:#dde5ea;--page:#f3f7f9;--card:#fff;--brand:#0b7a75}
@media(prefers-color-scheme:dark){:root{--ink:#e8eff3;--soft:#9fb0bb;--line:#2a3944;--page:#0f171d;--card:#17222a;--brand:#4cc3bb}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
header{padding:14px 20px;font-weight:700;color:var(--brand)}
main{max-width:36rem;margin:0 auto 48px;background:var(--card);border:1px solid var(--line);border-radius:14px;overflow:hidden}
.cover{height:96px;background:linear-gradient(120deg,hsl(var(--hue) 45% 42%),hsl(calc(var(--hue) + 50) 50% 60%))}
.who{padding:0 20px 16px}
.face{width:84px;height:84px;margin-top:-42px;border:4px solid var(--card);border-radius:50%;background:hsl(var(--hue) 40% 32%);color:#fff;display:grid;place-items:center;font-size:30px;font-weight:700}
h1{margin:10px 0 0;font-size:22px;line-height:1.25;overflow-wrap:anywhere}
.tick{color:var(--brand)}
p{margin:8px 0;overflow-wrap:anywhere}
.soft{color:var(--soft)}
ul{margin:0;padding:0;list-style:none}
li{padding:14px 20px;border-top:1px solid var(--line);overflow-wrap:anywhere}
.empty{padding:56px 24px;text-align:center}
"""


def profile_page(account: Account, posts: Sequence[Post]) -> str:
    name = escape(account.display_name)
    tick = ' <span class="tick" title="Verified">✔ <small>Verified</small></span>'
    hue = int(account.id.removeprefix("acct-")) * 47 % 360
    since = datetime.fromtimestamp(account.created_at / 1000, UTC)
    said = "".join(f"<li>{escape(post.text)}</li>" for post in posts)
    return _page(
        f"{name} (@{escape(account.handle)})",
        f'<div class="cover" style="--hue:{hue}"></div>'
        f'<div class="who" style="--hue:{hue}">'
        f'<div class="face" aria-hidden="true">{escape(_initials(account.display_name))}</div>'
        f"<h1>{name}{tick if account.verified else ''}</h1>"
        f'<div class="soft">@{escape(account.handle)}</div>'
        f"<p>{escape(account.bio)}</p>"
        f'<p class="soft"><b>{account.followers:,}</b> followers · '
        f"on Pipit since {since:%B %Y}</p></div>"
        f"<ul>{said}</ul>",
    )


def missing_page(handle: str) -> str:
    return _page(
        "This account doesn't exist",
        f'<div class="empty"><h1>This account doesn\'t exist</h1>'
        f'<p class="soft">@{escape(handle)} · Try searching for another.</p></div>',
    )


def _page(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title} · Pipit</title><style>{_STYLE}</style></head>"
        f"<body><header>Pipit</header><main>{body}</main></body></html>"
    )


def _initials(name: str) -> str:
    return "".join(word[0] for word in name.split()[:2]).upper()
