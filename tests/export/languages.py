"""Sentences of our own in eleven languages and ten scripts."""

_TEXTS = {
    "English": """Angela Merkel visited Paris in 2019, and the mayor met her at the station.
The University of Oxford was founded before the Aztec empire; nobody knows the year.
Sam works for Siemens (in Munich) and his sister for the Red Cross.""",
    "German": """Der Bürgermeister von Köln reiste gestern nach Österreich.
Anna Müller arbeitet bei der Deutschen Bahn, ihr Bruder wohnt in Zürich.
Im Süden regnet es; am Bodensee scheint die Sonne.""",
    "French": """Émile Zola est né à Paris et a grandi à Aix.
La Banque de France a publié hier un rapport sur les régions.
Claire habite à Besançon, près de la frontière suisse.""",
    "Russian": """Анна Иванова живёт в Москве и работает в Большом театре.
Вчера президент Финляндии прилетел в Казань, а потом уехал на Урал.
Лев Толстой написал этот роман в Ясной Поляне.""",
    "Greek": """Ο Γιώργος Σεφέρης γεννήθηκε στη Σμύρνη.
Η Τράπεζα της Ελλάδος βρίσκεται στην Αθήνα, κοντά στην πλατεία.
Το πλοίο φεύγει αύριο για την Κρήτη.""",
    "Arabic": """ولد نجيب محفوظ في القاهرة وعمل في وزارة الثقافة.
زار الوزير مدينة فاس أمس، ثم سافر إلى تونس.
تقع جامعة دمشق في وسط المدينة.""",
    "Hindi": """रवींद्रनाथ ठाकुर का जन्म कोलकाता में हुआ था ।
भारतीय रेल का मुख्यालय नई दिल्ली में है ।
मीरा कल जयपुर से मुंबई जाएगी ।""",
    "Korean": """김민수는 어제 서울에서 부산으로 갔다.
한국은행은 금리를 올리지 않기로 했다.
이 책은 박경리가 원주에서 썼다.""",
    "Chinese": """鲁迅出生在浙江绍兴，后来去了北京。
中国银行的总部在北京，分行遍布全国。
王小明昨天从上海坐火车到广州。""",
    "Japanese": """夏目漱石は東京で生まれ、ロンドンに留学した。
トヨタ自動車の本社は愛知県豊田市にある。
昨日、田中さんは大阪から京都へ行きました。""",
    "Thai": """สมชายเดินทางจากเชียงใหม่ไปกรุงเทพเมื่อวานนี้
ธนาคารแห่งประเทศไทยตั้งอยู่ริมแม่น้ำเจ้าพระยา
มาลีเรียนที่มหาวิทยาลัยขอนแก่น""",
}

SENTENCES = {language: text.splitlines() for language, text in _TEXTS.items()}
UNSPACED = ("Japanese", "Thai")  # each subword is a word
