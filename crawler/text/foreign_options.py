"""Options of other programs, and ours for them: wget, wget2, curl, HTTrack, gallery-dl, yt-dlp, Scrapy, img2dataset.

Options that we have too are not listed. A test checks that each flag named in an advice exists, and removes nothing.
"""

from __future__ import annotations

_GOES_ON = (
    "nothing has to be said for that: the same command goes on where it stopped, and keeps what is there"
)
_FOLLOWS = "nothing has to be said for that: the pages of the site are followed; --max-depth says how far"
_NAMES = "here it is --layout site, hash or flat"
_ACCEPT = "here it is --include-images PATTERN, or --formats jpeg,png"
_REJECT = "here it is --exclude-images PATTERN; for pages --exclude"
_FOLDER = "here it is -o DIR, the crawl's own folder"
_DELAY = "here it is --delay-s SECONDS, between two requests to one host"
_TIMEOUT = "here it is --total-timeout-s for one fetch, --connect-timeout-s for a connection"
_TRIES = "here it is --tries within seconds, --max-attempts in all"
_SIZE = "here it is --min-image-bytes and --max-image-bytes; in pixels --min-width-px, --min-height-px"
_LIST = "image-crawler extract URL shows what is found on one page, and saves nothing"
_SIDECAR = (
    "here crawl.db has what pages say of each image; image-crawler export DIR writes it as JSON lines or CSV"
)
_RESIZE = "images are saved as they came, byte for byte; nothing is resized"
_PROCESSES = "here it is --downloaders for processes, --downloader-threads for images at a time in each"
_HEADER = "here it is --header 'NAME: VALUE'"
_LOGIN = "here it is --login USER:PASSWORD, or --netrc"
_ARCHIVE = "nothing has to be said for that: crawl.db knows what was saved, and it is not fetched again"
_ROBOTS = "robots.txt is obeyed; config/default.toml has the switches, below [obey]"
_COOKIES = (
    "a session of a browser comes along with --cookies FILE, in Netscape's format, as add-ons export it"
)
_TLS = "certificates are checked; image-crawler crawl --help-all has the switch, below [fetch]"
_SPAN = "images are taken from any host; for pages it is --scope domain, or any"
_ONLY_PAGE = "for the pages that you name alone it is --max-depth 0"
_PARENT = "here it is --scope prefix: no page above the seed's path"
_INPUT = "here it is -i FILE for pages to begin with, --image-list FILE for images to save"
_VERBOSE = "here it is -v, or -vv"
_SETTINGS = "every setting has its own option, or --config FILE"
_EXTRACTORS = "there is nothing for single sites here: the pages themselves are read"
_CONVERT = "pages are read and not kept; nothing has to be converted"

_TABLE: tuple[tuple[str, str], ...] = (
    # wget, wget2
    ("--wait --random-wait --waitretry -w", _DELAY),
    ("--no-parent -np", _PARENT),
    ("--recursive -r --mirror -m", _FOLLOWS),
    ("--level -l --depth-limit", "here it is --max-depth N, links away from a seed"),
    ("--continue -c --no-clobber -nc --timestamping -N --skip-existing --restart-from --resume", _GOES_ON),
    ("--accept --accept-regex --include-pattern", _ACCEPT),
    ("-A", f"of wget's -A: {_ACCEPT}; of curl's: --user-agent TEXT"),
    ("--reject --reject-regex -R --blacklist", _REJECT),
    ("--directory-prefix -P --dest --destination --directory -d --output-dir --path -D --paths", _FOLDER),
    ("--execute -e", f"settings are options here. {_ROBOTS[0].upper()}{_ROBOTS[1:]}"),
    ("--domains", "here it is --scope domain, or --include PATTERN for pages"),
    ("--exclude-domains", "here it is --exclude PATTERN for pages, --exclude-images for images"),
    ("--span-hosts", _SPAN),
    ("-H", f"of wget's -H: {_SPAN}; of curl's: {_HEADER}"),
    ("--page-requisites -p", _ONLY_PAGE),
    ("--convert-links -k --adjust-extension -E --html-extension --backup-converted -K", _CONVERT),
    ("--no-directories -nd --cut-dirs", "here it is --layout flat"),
    ("--no-host-directories -nH --force-directories -x --filename", _NAMES),
    ("--input-file --force-html -F", _INPUT),
    ("--retries -t --retry --extractor-retries --file-access-retries", _TRIES),
    ("--timeout -T --read-timeout --dns-timeout --socket-timeout", _TIMEOUT),
    ("-U", "here it is --user-agent TEXT"),
    ("--output-document -O", _FOLDER),
    ("--output-file --append-output -a", "here it is --log-file FILE"),
    ("--user --password --http-user --http-password --ask-password -u --username", _LOGIN),
    ("--no-check-certificate --no-check-certificates --insecure", _TLS),
    ("--no-robots --robots", _ROBOTS),
    ("--spider --dry-run --simulate --get-urls -g --skip-download --no-download --list-urls", _LIST),
    ("-s", f"{_LIST}; {_SETTINGS}"),
    ("--load-cookies --save-cookies --cookies-from-browser --cookie -b", _COOKIES),
    ("--no-verbose -nv --no-progress --silent --no-warnings", "here it is --quiet"),
    ("--debug --show-progress --server-response -S --print-traffic", _VERBOSE),
    ("--background", "put an & behind the command; image-crawler status DIR says how far it is"),
    ("--max-threads --concurrent-fragments --parallel -Z --threads --concurrency", _PROCESSES),
    ("--max-redirect --max-redirs --location -L", "redirects are followed; here it is --max-redirects N"),
    ("--referer --referrer -F", "pages are named as the referrer where browsers do; another by --header"),
    ("--compression --compressed", "nothing has to be said for that: gzip, br and zstd are asked for"),
    ("--follow-tags --ignore-tags --follow-ftp", "docs/pictures.md says where images are looked for; all that are found are taken"),
    ("--use-askpass --auth-no-challenge --digest --basic --negotiate", _LOGIN),
    ("--secure-protocol --https-only --hsts-file --ca-certificate --cacert", _TLS),
    ("--bind-address --interface --inet4-only -4 --inet6-only -6", "there is no such choice; --proxy URL may help"),
    ("--throttle --rate-limit --bwlimit --max-download-speed", "here it is --limit-rate RATE, such as 500k, for all workers together; --delay-s is between two requests"),
    ("--quota -Q --size-limit --sizelimit", "here it is --max-bytes BYTES; --max-image-bytes is for one image"),
    ("--time-limit --timelimit --max-runtime --closespider-timeout", "here it is --max-time SECONDS"),
    ("--ignore-length --stop-on-truncated", "here it is --incomplete keep"),
    ("--delete-after --rejected-log", "image-crawler inspect DIR --failures tells what was not saved, and why"),
    ("--warc-file --warc-cdx", "there is no WARC here: images are files, and crawl.db has their records"),
    # gallery-dl, yt-dlp
    ("--sleep --sleep-request --sleep-requests --sleep-interval --min-sleep-interval --sleep-extractor", _DELAY),
    ("--sleep-retries --retry-sleep --retry-wait", "here it is --retry-delay-s SECONDS"),
    ("--min-size --max-size --min-filesize --max-filesize --filesize-min --filesize-max", _SIZE),
    ("--min-width --min-height --max-width --max-height --min-image-size", "in pixels: --min-width-px, --min-height-px, --max-width-px, --max-height-px"),
    ("--range --playlist-items --playlist-end --max-downloads --limit --stop-after", "here it is --max-images N"),
    ("--chapter-range --items", "there are --max-images N and --max-pages N"),
    ("--filter --match-filter --match-filters --image-filter --chapter-filter", _ACCEPT),
    ("--write-metadata --write-info-json --write-tags --write-description --sidecar", _SIDECAR),
    ("--dump-json -j --dump-single-json -J --print-json --list-keywords -K", f"{_LIST}; with --json for machines"),
    ("--download-archive --archive", _ARCHIVE),
    ("--no-skip --force-overwrites --overwrite --no-overwrites --no-continue", "here it is --refresh: asks for everything once more, and keeps what is unchanged"),
    ("--ignore-errors --abort-on-error --abort --terminate", "nothing has to be said for that: what fails is recorded, and the crawl goes on"),
    ("--no-part --no-mtime --mtime --part-directory", "files appear whole, or not at all"),
    ("--zip --cbz --exec --postprocessor --ugoira", "there is no such step here; image-crawler export DIR lists the files for one of your own"),
    ("--write-log --write-unsupported --error-file --logfile", "here it is --log-file FILE"),
    ("--config-ignore --ignore-config --config-location --config-locations --no-config", "here it is --config FILE"),
    ("--option --set --overrides", _SETTINGS),
    ("--extractor --extractors --list-extractors --list-modules --extractor-args", _EXTRACTORS),
    ("--geo-bypass --source-address --impersonate", "there is no such disguise; --proxy URL, and --user-agent"),
    ("--update -U --self-update", "install it again, by what you installed it with"),
    ("--batch-file", _INPUT),
    ("--oauth --token --bearer --api-key", _HEADER),
    # curl
    ("--data --data-raw --request -X --form", "only GET requests are sent; what they carry is said by --header"),
    ("--speed-limit --speed-time -y -Y", "here it is --min-rate-bytes-s, and --total-timeout-s for one fetch"),
    ("--remote-name --remote-name-all --create-dirs --remote-header-name", _NAMES),
    ("--fail --fail-with-body -f --show-error", "nothing has to be said for that: what fails is recorded, with its reason"),
    ("--socks5 --socks5-hostname --proxy-user --preproxy", "here it is --proxy URL, with USER:PASSWORD@ in it if need be"),
    ("--agent --useragent --ua", "here it is --user-agent TEXT"),
    # HTTrack
    ("--depth", "here it is --max-depth N, links away from a seed"),
    ("--ext-depth --stay-on-same-domain --stay-on-same-address --stay-on-same-dir --go-everywhere --can-go-down --can-go-up", "here it is --scope host, domain, prefix or any"),
    ("--connection-per-second --max-rate --min-rate", _DELAY),
    ("--near --preserve --structure", "images are taken wherever pages take them from; --images-from scope keeps to the site's own"),
    # Scrapy
    ("--nolog --loglevel", "here it is --quiet, or -v for more"),
    ("--set-setting", _SETTINGS),
    ("--download-delay --autothrottle --autothrottle-enabled --randomize-download-delay", _DELAY),
    ("--concurrent-requests --concurrent-requests-per-domain --concurrent-requests-per-ip", "here it is --per-host N, at one host at a time, and --per-domain N"),
    ("--download-timeout", _TIMEOUT),
    ("--depth-priority --dupefilter-class", "the nearest pages come first, and no URL is asked for twice"),
    ("--robotstxt-obey", _ROBOTS),
    ("--retry-times --retry-enabled --retry-http-codes", _TRIES),
    ("--images-store --files-store --feeds-export --jobdir", _FOLDER),
    ("--images-min-width --images-min-height", "here it is --min-width-px, --min-height-px"),
    ("--images-expires --files-expires --httpcache-enabled", "here it is --refresh"),
    ("--images-thumbs", _RESIZE),
    ("--closespider-pagecount --closespider-itemcount --closespider-errorcount", "there are --max-pages N and --max-images N"),
    # img2dataset, crawlers of browsers
    ("--url-list", _INPUT),
    ("--output-folder --images-dir --target --save-dir --out --folder", _FOLDER),
    ("--output-format --input-format --save-metadata --save-additional-columns", _SIDECAR),
    ("--image-size --resize-mode --resize-only-if-bigger --encode-quality --encode-format --skip-reencode", _RESIZE),
    ("--processes-count --thread-count --workers --jobs --num-workers", _PROCESSES),
    ("--incremental-mode --number-sample-per-shard --shard-size", _GOES_ON),
    ("--disallowed-header-directives --no-ai --noai", "noai and noimageai are obeyed; --purpose train has every no obeyed"),
    ("--user-agent-token", "the first word of --user-agent is the name that robots.txt knows us by"),
    ("--extract-exif --compute-hash --verify-hash", "each record has SHA-256 and dHash; image-crawler inspect DIR --verify compares the files"),
    ("--max-aspect-ratio", "here it is --max-aspect N"),
    ("--headless --browser --javascript --js --wait-until --wait-for --puppeteer --playwright", "here it is --render auto, never or always"),
    ("--scroll --autoscroll --auto-scroll --behavior --click", "here it is --render always, and --render-scrolls, --render-clicks"),
    ("--sitemap --use-sitemap", "sitemaps are read"),
    ("--same-domain --same-host --follow-external --external --subdomains --allowed-domains --include-subdomains", "here it is --scope host, domain, prefix or any"),
    ("--start-url --seed --seeds --url", _INPUT),
    ("--no-recursive --no-follow --single-page --only-page --one-page", _ONLY_PAGE),
    ("--delay --interval --pause --crawl-delay --rate", _DELAY),
    ("--extensions --types --filetypes --file-types --ext --type --image-types", "here it is --formats jpeg,png"),
    ("--thumbnails --all-sizes --largest --best", "here it is --images best, the largest size alone, or --images all"),
    ("--duplicates --no-duplicates --dedupe --deduplicate", "bytes that are kept already are not kept twice; image-crawler inspect DIR --duplicates lists them"),
)  # fmt: skip

ADVICE = {flag: advice for flags, advice in reversed(_TABLE) for flag in flags.split()}
"""Advice by flag as it is typed, in lower case except single letters; the first of a flag counts."""

COMMANDS: dict[str, str] = {
    "download get fetch mirror save start run go scrape spider refresh update": "crawl",
    "list ls info show stats summary report failures errors verify check": "inspect",
    "urls links parse page shell": "extract",
    "why find search": "explain",
    "watch top ps progress": "status",
    "worker client": "work",
    "server manager master": "serve",
    "continue unpause": "resume",
    "dump csv json metadata": "export",
    "key keys genkey cert certs": "keygen",
}
"""Other programs' words for our commands."""


def advice(flag: str) -> str | None:
    """The advice for *flag* (``--wait``, ``-np``, ``-l2``, ``wait`` as a key); None if there is none."""
    word = flag if flag.startswith("-") else f"--{flag}"
    if word.startswith("--"):
        return ADVICE.get(word.lower().replace("_", "-"))
    # letters may be bundled, or have their value behind them
    return ADVICE.get(word) or ADVICE.get(word[:3]) or ADVICE.get(word[:2]) or ADVICE.get(f"-{word}".lower())


def command(word: str) -> str | None:
    """Our command that other programs call *word*; None without one."""
    return next((ours for theirs, ours in COMMANDS.items() if word.lower() in theirs.split()), None)
