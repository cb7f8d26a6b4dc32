"""What the sample's shelves are filled with."""

CATEGORIES = (
    "Küche",
    "Garten",
    "Bücher",
    "Möbel",
    "Spielzeug",
    "Café & Tee",
    "Wäsche",
    "Werkzeug",
    "Reisegepäck",
    "Öle & Kräuter",
    "日本の器",
    "Schreibwaren",
)
COLORS = {
    "Blaue": "blue",
    "Rote": "red",
    "Grüne": "green",
    "Silberne": "silver",
    "Schwarze": "black",
    "Gelbe": "yellow",
    "Türkise": "turquoise",
    "Rosé": "rose",
}
# One row per category, in the same order.
THINGS = (
    ("Tasse", "Schüssel", "Pfanne", "Teekanne", "Müslischale"),
    ("Wasserkanne", "Harke", "Blumenkübel", "Laterne", "Hängematte"),
    ("Märchensammlung", "Reiseführerin", "Kochfibel", "Notizkladde", "Übersichtskarte"),
    ("Kommode", "Stehlampe", "Bücherwand", "Garderobe", "Sitzbank"),
    ("Eisenbahn", "Puppenküche", "Murmelbahn", "Rätselkiste", "Holzente"),
    ("Espressokanne", "Teedose", "Kaffeemühle", "Zuckerdose", "Crème-brûlée-Form"),
    ("Bettwäsche", "Tischdecke", "Wolldecke", "Kissenhülle", "Schürze"),
    ("Zange", "Säge", "Wasserwaage", "Schraubzwinge", "Bohrmaschine"),
    ("Reisetasche", "Kulturtasche", "Umhängetasche", "Trinkflasche", "Packwürfelbox"),
    ("Ölflasche", "Kräutermühle", "Gewürzdose", "Essigkaraffe", "Pfeffermühle"),
    ("茶碗-Schale", "急須-Kanne", "Sake-Flasche", "Bento-Box", "Räucherschale"),
    ("Füllfeder", "Briefwaage", "Stiftebox", "Schreibmappe", "Tintenpatrone"),
)
MATERIALS = ("steel", "oak", "linen", "porcelain", "glass", "cotton", "bamboo")
TAGS = ("neu", "angebot", "geschenk", "öko", "handarbeit", "bestseller", "für-draußen")
RESTOCK = ("2–3 weeks", "4–6 weeks", "on request")
STREETS = ("Lindenweg", "Hauptstraße", "Am Bächle", "Mühlgasse", "Birkenallee")
CITIES = (
    ("10115", "Berlin"),
    ("50667", "Köln"),
    ("80331", "München"),
    ("20095", "Hamburg"),
    ("99084", "Erfurt"),
)
FIRST_NAMES = ("Anna", "Jürgen", "Zoë", "Mehmet", "Søren", "Chloé", "Łukasz", "Ida", "Björn", "Yuki")
LAST_NAMES = ("Müller", "Schäfer", "Öztürk", "Nowak", "García", "Weiß", "Jørgensen", "Sato", "Krüger", "Groß")
