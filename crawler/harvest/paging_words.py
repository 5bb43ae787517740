"""What links say that turn a page, in the languages of most sites: the words, not the rules."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

_DIRECTION_WORDS = """
next previous prev older newer earlier first last oldest newest
weiter nächste nächster nächstes vorherige vorheriger vorheriges vorige zurück ältere neuere erste letzte
suivant suivante suivants suivantes précédent précédente précédents précédentes anciens anciennes ancien récents
récentes première dernière
siguiente siguientes anterior anteriores próximo próxima próximos próximas antiguas antiguos recientes última
seguinte seguintes antigas recentes antiga successivo successiva successivi successive avanti indietro precedente
precedenti vecchi recenti seguente seguenti següent següents antigos antics vechi eski
volgende vorige verder oudere nieuwere eerste laatste
nästa föregående äldre nyare næste neste forrige ældre eldre nyere næsta seuraava edellinen seuraavat edelliset
vanhemmat uudemmat
następny następna następne dalej poprzedni poprzednia poprzednie starsze nowsze wcześniejsze
další předchozí starší novější následující ďalšie ďalší ďalšia ďalej predchádzajúce predchádzajúca
следующая следующую следующий следующие следующее след далее дальше вперёд вперед предыдущая предыдущую
предыдущий предыдущие предыдущее
пред назад старые новые ранее раньше старіші новіші наступна наступний наступні далі попередня попередній попередні
следваща следващо следващи напред предишна предишен предишни sljedeća sljedeći sljedeće sledeća sledeći sledeće
prethodna prethodni prethodno naslednja naslednji prejšnja prejšnji следећа следеће претходна
következő előző régebbi újabb tovább următor următoarea următorul următoare înainte anterioară anterioare
sonraki önceki ileri geri daha kitas toliau sekantis ankstesnis nākamā nākamais tālāk iepriekšējā järgmine eelmine
επόμενη επόμενο επόμενα προηγούμενη προηγούμενο παλαιότερα νεότερα
berikutnya selanjutnya sebelumnya lama seterusnya sebelum susunod
التالي التالية السابق السابقة الأقدم הבא הבאה הקודם הקודמת بعدی بعد قبلی قبل अगला अगले अगली पिछला पिछले पिछली পরবর্তী
"""
DIRECTIONS = frozenset(_DIRECTION_WORDS.split())
"""Where to; one of them has to be there."""
_THING_WORDS = """
page pages post posts entry entries article articles comment comments result results item items story stories news
in for see view click here strip comic image picture photo photos project album gallery series slide product products
listing work card tweet blog issue chapter part topic topics thread episode day week month set more the to
go of von sur di de из z
seite beiträge beitrag einträge eintrag artikel kommentare bilder bild kapitel
plus pages articles article billets billet commentaires messages la les le page
página entradas entrada más artículos artículo comentarios foto fotos capítulo
mais postagens postagem publicações artigos mensagens pàgina missatges més pagina meno messaggi pagine più
articoli articolo post commenti il lo vai alla
berichten bericht artikelen naar de
sida sidan inlägg side indlæg innlegg sivu sivulle teksti tekstit
strona strony wpisy wpis posty artykuły do stránka strana stránky příspěvky článek
страница страницы страницу записи запись посты пост статья статьи стр на фото фотография изображение товары
сторінка записи публікації
strana stranica oldal oldalra bejegyzések pagina articol articole postări mai sayfa yazılar yayınlar kayıtlar
yeni lebih
σελίδα αναρτήσεις άρθρα halaman postingan pos الصفحة صفحة صفحه הדף עמוד דף पृष्ठ পাতা
"""
THINGS = frozenset(_THING_WORDS.split())
"""What may stand beside these."""
_PAGE_WORDS = """
page seite página pagina strona stránka strana stranica страница стр sida side sivu oldal sayfa halaman σελίδα
"""
PAGES = frozenset(_PAGE_WORDS.split())
"""With a number these tell as well."""
ARROWS = frozenset("▸▹▻⏵⟩❱⮞⮕⇨➞➤➙🡒🠖↠<>«»‹›←→⇐⇒⟵⟶◀▶◄►⏪⏩⏮⏭❮❯≪≫〈〉《》◁▷⯇⯈➔➜➡⬅")


def _phrases(*parts: str) -> Iterator[str]:
    """Every way to put one of each of *parts* together; ``-`` stands for none."""
    return ("".join(words).replace("-", "") for words in product(*(part.split() for part in parts)))


PHRASES = frozenset(
    {
        *_phrases(
            "上一 下一 前一 后一 後一 上 下 后 後",
            "页 頁 章 篇 张 張 条 條 话 話 节 節 个 個 组 組 回 集 期 图 圖 幅 步",
        ),
        *_phrases("次 前", "- へ の のページ のページへ ページ ページへ へ進む に戻る"),
        *_phrases("次の 前の", "記事 投稿 話 章 件 号 画像 写真 作品"),
        *_phrases("古い 新しい 過去の", "記事 投稿"),
        *_phrases("다음 이전", "- 페이지 글 화 포스트 장"),
        *_phrases("ถัดไป ก่อนหน้า หน้าถัดไป หน้าก่อนหน้า"),
        *_phrases("trang tiếp", "sau trước tiếp theo kế tiếptheo"),
        *_phrases("加载 載入 查看 显示 顯示", "更多"),
        *_phrases("第", "页 頁 ページ"),
        *_phrases(
            "load show see view",
            "more",
            "- posts results items entries articles images photos comments stories products",
        ),
        *_phrases("more older", "posts results items entries articles images photos comments stories"),
        *_phrases(
            "mehr weitere", "- beiträge artikel ergebnisse bilder einträge produkte", "- laden anzeigen"
        ),
        *_phrases("afficher charger voir", "plus", "- darticles dimages derésultats"),
        *_phrases("cargar ver mostrar carregar", "más mais"),
        *_phrases("carica mostra", "altri altro"),
        *_phrases("meer", "laden berichten tonen resultaten"),
        *_phrases("visa ladda vis indlæs", "fler flere"),
        *_phrases("lataa näytä", "lisää"),
        *_phrases("załaduj pokaż", "więcej"),
        *_phrases("načíst zobrazit", "další více"),
        *_phrases("показать загрузить", "ещё еще больше", "- товары записи посты фото"),
        *_phrases("dahafazla", "- göster yükle"),
        *_phrases(
            "更早 较早 較舊 较旧 较新 更多文章 尾页 末页 最后一页 最後へ 最初へ 続き 続きを見る もっと見る 더보기"
        ),
    }
)
"""Without spaces: of languages that need none, and what loads more of a list."""
