"""Pages that would fool the renderer: into clicking, sending, seeing what is not there, or missing what is."""

from __future__ import annotations

from tests.hostile_pages.kinds import Hostile, with_script

_FIRST = ("img/asked.png",)
_AFTER = "const late = (name) => { const one = document.createElement('img'); one.src = `img/${name}.png`; document.body.append(one); };"
_CLOBBERED = (
    "querySelector", "querySelectorAll", "createTreeWalker", "documentElement", "body", "createElement", "scrollingElement",
    "activeElement", "getElementsByTagName", "children", "childNodes", "firstChild", "cookie", "title", "head", "forms",
    "addEventListener", "dispatchEvent", "defaultView", "images", "links", "readyState", "contains", "appendChild",
)  # fmt: skip
_FORM_NAMES = (
    "matches", "closest", "querySelector", "querySelectorAll", "getAttribute", "setAttribute", "hasAttribute", "cloneNode",
    "getBoundingClientRect", "innerText", "outerHTML", "isConnected", "nodeType", "tagName", "className", "id", "click",
    "focus", "scrollIntoView", "dispatchEvent", "shadowRoot", "attributes", "children", "parentNode", "scrollBy", "scrollTop",
    "checkVisibility", "title", "style", "href", "src", "role", "type", "disabled", "value",
)  # fmt: skip

PAGES = (
    Hostile(
        name="polluted",
        what="prototypes and globals of its own world replaced by what throws, loops or lies",
        page=with_script(
            "for (const of of [Array, Object, Map, Set, WeakMap, WeakSet, Promise, String, Number, RegExp, Function, Element, Node,"
            " HTMLElement, Document, EventTarget, MutationObserver, DOMTokenList, NodeList, HTMLImageElement])"
            " for (const name of Object.getOwnPropertyNames(of.prototype)) { if (['constructor', 'append'].includes(name)) continue;"
            " try { Object.defineProperty(of.prototype, name, {value: () => { throw 'polluted'; }, configurable: false}); } catch {} }"
            "for (const name of ['JSON', 'Promise', 'Map', 'WeakMap', 'Set', 'Array', 'setTimeout', 'getComputedStyle', 'fetch',"
            " 'MutationObserver', 'PointerEvent', 'MouseEvent', 'Event', 'NodeFilter', 'btoa', 'FileReader', 'URL', 'Image'])"
            " try { Object.defineProperty(window, name, {get() { throw 'polluted'; }}); } catch {}",
            "<button>Load more</button><div style='height: 4000px'></div><img loading=lazy src=img/far.png>",
        ),
        images=(*_FIRST, "img/far.png"),
    ),
    Hostile(
        name="impostor",
        what="calls something of its own by the name that our world has",
        page=with_script(
            "window.image_crawler = {list: () => [], step: () => [9e9, 9e9], sizes: () => [[9e9, 9e9]], kept: () =>"
            " ({html: '<img src=img/forged.png>'}), drawn: () => ({html: '<img src=img/forged.png>', cut: 1e30}), framed: () =>"
            " '<img src=img/forged.png>', markup: () => '<img src=img/forged.png>'};",
            "<div id=image_crawler></div><iframe name=image_crawler></iframe><form name=image_crawler></form>"
            "<div style='height: 4000px'></div><img loading=lazy src=img/far.png>",
        ),
        images=(*_FIRST, "img/far.png"),
        not_images=("img/forged.png",),
    ),
    Hostile(
        name="clobbered",
        what="elements with the names of what a document can do",
        page=with_script(
            f"{_AFTER}",
            "".join(f"<img name={name} id={name} src=img/c.png>" for name in _CLOBBERED)
            + "".join(f"<form name={name}></form><embed name={name}>" for name in _CLOBBERED)
            + "<button onclick=\"new Image().src = 'img/more.png'\">Load more</button>"
            "<div style='height: 4000px'></div><img loading=lazy src=img/far.png>",
        ),
        images=(*_FIRST, "img/c.png", "img/far.png", "img/more.png"),
    ),
    Hostile(
        name="clobbered-forms",
        what="forms whose fields have the names of what an element can do; one is taken away with its image",
        page=with_script(
            "const made = document.querySelector('form').cloneNode; setTimeout(() => document.querySelector('#gone').remove(), 100);"
            "document.body.lastElementChild.onclick = () => { new Image().src = 'img/more.png'; };",
            "<form tabindex=0 role=button onclick=1>"
            + "".join(f"<input name={name}>" for name in _FORM_NAMES)
            + "</form><form id=gone>"
            + "".join(f"<input name={name}>" for name in _FORM_NAMES)
            + "<picture><source srcset=img/in-form.png></picture></form><div id=after style='height: 4000px'></div>"
            "<img loading=lazy src=img/far.png>",
        ),
        images=(*_FIRST, "img/far.png", "img/in-form.png"),
    ),
    Hostile(
        name="harmful-buttons",
        what="what deletes, buys, sends or logs out, as buttons and as links, by many names",
        page=with_script(
            "const names = ['Delete', 'Delete account', 'Delete this photo', 'Remove', 'Remove item', 'Log out', 'Logout', 'Log me out',"
            " 'Sign out', 'Sign out now', 'Buy now', 'Pay now', 'Place order', 'Order now', 'Checkout', 'Add to cart', 'Subscribe',"
            " 'Unsubscribe', 'Submit', 'Send message', 'Post comment', 'Publish', 'Report abuse', 'Block user', 'Cancel order',"
            " 'Löschen', 'Konto löschen', 'Abmelden', 'Jetzt kaufen', 'Supprimer', 'Se déconnecter', 'Eliminar', 'Cerrar sesión',"
            " 'Удалить', '削除', '删除', 'Deactivate', 'Reset', 'Clear all', 'Empty cart', 'Erase', 'Destroy', 'Donate', 'Vote',"
            " 'Like', 'Follow', 'Share'];"
            "const tags = ['button', 'a', 'span', 'div'];"
            "names.forEach((name, n) => tags.forEach((tag) => { const one = document.createElement(tag); one.textContent = name;"
            " one.style.cursor = 'pointer'; one.className = 'c' + n + tag; one.setAttribute('role', 'button');"
            " if (tag === 'a') one.href = '#'; one.onclick = () => { fetch('harm?' + encodeURIComponent(name) + tag, {method: 'POST'}); };"
            " document.body.append(one); }));"
        ),
        parts={"harm": "done"},
        images=_FIRST,
        never=("harm",),
    ),
    Hostile(
        name="confirmation",
        what="a dialog that asks whether to delete this image, and a button that says 'Delete more photos'",
        page=with_script(
            "for (const one of document.querySelectorAll('button')) one.onclick = () => fetch('harm', {method: 'POST'});",
            "<div role=dialog class='modal overlay'>Really delete this image, message and page?<button>Yes</button>"
            "<button>OK</button><button>Continue</button></div><button>Delete more photos</button>"
            "<div role=dialog class=modal>Delete your cookies and your account?<button>Delete all</button></div>",
        ),
        parts={"harm": "done"},
        images=_FIRST,
        never=("harm",),
    ),
    Hostile(
        name="harmful-forms",
        what="forms that are sent by a click on what looks harmless, by GET and by POST",
        page=with_script(
            "for (const one of document.forms) one.nextSibling.onclick = () => { one.requestSubmit ? one.requestSubmit() : one.submit(); };",
            "<form action=harm-get method=get><input name=id value=1><button>Load more</button></form><button>Load more</button>"
            "<form action=harm-post method=post><button>next</button></form><button>Show more</button>"
            "<form action=harm-dialog method=dialog><button>more</button><input type=image src=img/button.png></form><button>Next</button>",
        ),
        parts={"harm": "done"},
        images=(*_FIRST, "img/button.png"),
        never=("harm",),
        left_out=("render-forms",),
    ),
    Hostile(
        name="posts",
        what="a script that posts, puts, deletes and patches, to its own site and to others, when loaded",
        page=with_script(
            "for (const method of ['PUT', 'DELETE', 'PATCH', 'POST', 'TRACE', 'CONNECT', 'PROPFIND', 'foo'])"
            " { try { fetch('harm-' + method, {method, body: 'x'}).catch(() => 0); } catch {}"
            " try { fetch('//%OTHER%/posts/harm-' + method, {method, body: 'x'}).catch(() => 0); } catch {} }"
            "fetch('large', {method: 'POST', body: 'x'.repeat(5e6)}).catch(() => 0);"
        ),
        parts={"harm": "done"},
        images=_FIRST,
        never=("harm-PUT", "harm-DELETE", "harm-PATCH", "harm-foo", "large"),
        left_out=("render-posts",),
    ),
    Hostile(
        name="stand-ins",
        what="draws the stand-ins that it gets, keeps them in blobs and data: URLs, and shows these",
        page=with_script(
            "const show = (src) => { const one = new Image(); one.src = src; document.body.append(one); };"
            "const one = new Image(); one.onload = () => { const paper = document.createElement('canvas'); paper.width = 320;"
            " paper.height = 240; paper.getContext('2d').drawImage(one, 0, 0); document.body.append(paper);"
            " show(paper.toDataURL()); paper.toBlob((blob) => show(URL.createObjectURL(blob))); };"
            "one.src = 'img/shown.png'; fetch('img/fetched.png').then((a) => a.blob()).then((blob) => {"
            " show(URL.createObjectURL(blob)); const reader = new FileReader(); reader.onload = () => show(reader.result);"
            " reader.readAsDataURL(blob); });"
        ),
        images=(*_FIRST, "img/shown.png", "img/fetched.png"),
    ),
    Hostile(
        name="removed-root",
        what="takes its whole document away, and what is put there again",
        page=with_script(
            "setTimeout(() => { new Image().src = 'img/asked.png'; document.documentElement.remove(); }, 100);"
            "new MutationObserver(() => document.documentElement?.remove()).observe(document, {childList: true});"
        ),
        images=("img/asked.png",),
    ),
    Hostile(
        name="rewritten",
        in_ci=False,
        what="writes its document anew at each moment",
        page=with_script(
            "setInterval(() => { document.open(); document.write('<img src=img/written.png><p>' + Math.random()); document.close(); }, 50);"
        ),
        images=_FIRST,
    ),
    Hostile(
        name="stopped",
        in_ci=False,
        what="stops loading, says that it is loading, and never finishes",
        page=with_script(
            "setInterval(() => stop(), 1); Object.defineProperty(document, 'readyState', {value: 'loading'});"
            "setTimeout(() => { document.open(); document.write('<img src=img/open.png>'); }, 200);"
        ),
    ),
    Hostile(
        name="other-base",
        in_ci=False,
        what="a base at another host, and one that is no URL",
        page=with_script(
            "setTimeout(() => { document.querySelector('base').href = 'data:text/html,x'; }, 300);",
            head="<base href='http://%OTHER%/other-base/'>",
        ),
        images=(),
    ),
    Hostile(
        name="traps-of-clicks",
        in_ci=False,
        what="elements that move, vanish, cover all or scroll back when they are clicked or looked at",
        page=with_script(
            "const one = document.querySelector('button'); one.onmouseover = () => { one.style.marginLeft = Math.random() * 900 + 'px'; };"
            "one.onpointerdown = () => { one.remove(); document.body.prepend(one); }; one.onfocus = () => one.blur();"
            "addEventListener('scroll', () => scrollTo(0, 0)); document.body.onclick = (event) => { event.stopImmediatePropagation();"
            " document.body.insertAdjacentHTML('beforeend', '<div style=\"position: fixed; inset: 0; z-index: 9\">cover</div>'); };",
            "<button>Load more</button><div style='height: 4000px'></div>",
        ),
        images=_FIRST,
    ),
    Hostile(
        name="detects",
        in_ci=False,
        what="shows its images only to whom nothing tells as a renderer, and throws all away else",
        page=with_script(
            "new Image().src = 'img/before.png'; const end = () => { document.body.innerHTML = ''; };"
            "setInterval(() => { if (navigator.webdriver || document.hidden || !document.hasFocus()) end(); }, 50);"
            "addEventListener('click', (event) => { if (!event.isTrusted) end(); }, true);",
            "<button>Load more</button>",
        ),
        images=(*_FIRST, "img/before.png"),
    ),
    Hostile(
        name="absurd-sizes",
        in_ci=False,
        what="elements that say they have sizes which no number has",
        page=with_script(
            "for (const size of ['-1', '1e99', 'NaN', '99999999999999', '0', 'Infinity']) { const one = new Image();"
            " one.setAttribute('width', size); one.setAttribute('height', size); one.style.width = size + 'px';"
            " one.src = 'img/size-' + size + '.png'; document.body.append(one); }"
        ),
        images=(*_FIRST, "img/size-NaN.png"),
    ),
    Hostile(
        name="deep-values",
        in_ci=False,
        what="values without a bottom wherever the renderer may look: state, properties of elements, errors",
        page=with_script(
            "let deep = {}; for (let n = 0; n < 100000; n++) deep = {deep}; try { history.replaceState(deep, ''); } catch {}"
            "document.body.deep = deep; const round = {}; round.round = round; document.body.className = 'x'.repeat(1e6);"
            "setTimeout(() => { throw round; }); Promise.reject(deep); document.title = 'x'.repeat(1e6);"
        ),
        images=_FIRST,
    ),
)
