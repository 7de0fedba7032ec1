"""The numbers that states give to people: how they are written, how they are checked, and the words that name them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

ANY_TOPIC = "any"
ANY = (
    *("national number", "national id", "national identification number", "identity number", "identification number"),
    *("id number", "id no", "personal id", "personal number", "identity card", "social security", "insurance number"),
    *("social insurance", "tax id", "taxid", "tax number", "tax identification number", "tax no", "tin", "nin"),
    *("resident id", "citizen id", "citizen number", "sozialversicherungsnummer", "numéro de sécurité sociale"),
)
"""Words for the number of any country."""
_GAP = "[ \u00a0\u202f.\\-\u2010\u2011\u2013]?"


@dataclass(frozen=True, slots=True, eq=False)
class NationalRule:
    """How one country's number is known."""

    country: str
    """By its code of ISO 3166."""
    kind: str
    shape: re.Pattern[str]
    """From its first character on. Its length has a bound."""
    module: str
    """Of python-stdnum: who checks it; nobody, if empty."""
    words: tuple[str, ...]
    sure: re.Pattern[str] | None = None
    """The shape in which it needs no word: of what looks like it, no more than one in a hundred passes the check."""
    refused: re.Pattern[str] | None = None
    """What the check lets through, and nobody was given."""
    is_shape_enough: bool = False
    """Behind one of its own words it is found without a check."""

    @property
    def topic(self) -> str:
        """What its words stand for."""
        return f"{self.country} {self.module}"


def check(module: str) -> Callable[[str], bool]:
    """Return what tells whether a number is valid, as *module* of python-stdnum knows it."""
    return import_module(f"stdnum.{module}").is_valid if module else _everything


def _everything(_: str) -> bool:
    return True


def _rule(
    country: str,
    kind: str,
    shape: str,
    module: str,
    words: str,
    *,
    sure: str = "",
    refused: str = "",
    is_shape_enough: bool = False,
) -> NationalRule:
    """Return a rule; in its shapes ``~`` is what may stand between two groups, and *words* are parted by commas."""

    def compiled(pattern: str) -> re.Pattern[str] | None:
        return re.compile(pattern.replace("~", _GAP), re.IGNORECASE) if pattern else None

    whole = compiled(shape)
    assert whole is not None  # noqa: S101  # every rule has a shape
    return NationalRule(
        country,
        kind,
        whole,
        module,
        tuple(word.strip() for word in words.split(",")),
        compiled(sure),
        compiled(refused),
        is_shape_enough,
    )


_ALIKE = r"(\d)(?:\D?\1)+\Z"
RULES = (
    _rule(
        "US",
        "a US social security number",
        r"\d{3}~\d\d~\d{4}",
        "us.ssn",
        "ssn,ssns,social security number,social security no,social security,social security #,soc sec",
        sure=r"\d{3}-\d\d-\d{4}",
        is_shape_enough=True,
    ),
    _rule("US", "a US taxpayer number", r"9\d\d~\d\d~\d{4}", "us.itin", "itin,taxpayer,individual taxpayer"),
    _rule("GB", "a UK health service number", r"\d{3}~\d{3}~\d{4}", "gb.nhs", "nhs,nhs number,nhs no,health service"),
    _rule(
        "GB",
        "a UK national insurance number",
        r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d\d ?\d\d ?\d\d ?[A-D]",
        "",
        "national insurance,national insurance number,nino,ni number,ni no",
        sure=r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] \d\d \d\d \d\d [A-D]",
        refused=r"(?:BG|GB|KN|NK|NT|TN|ZZ)",
    ),
    _rule(
        "DE",
        "a German tax number",
        r"\d\d~\d{3}~\d{3}~\d{3}",
        "de.idnr",
        "steuer-id,steuer id,steuerid,idnr,id-nr,steuer-idnr,steuer-identifikationsnummer,steueridentifikationsnummer,"
        "identifikationsnummer,steuernummer,steuer-identnummer",
    ),
    _rule(
        "FR",
        "a French social security number",
        r"[12]~\d\d~\d\d~(?:\d\d|2[AB])~\d{3}~\d{3}~\d\d",
        "fr.nir",
        "nir,insee,sécurité sociale,securite sociale,numéro de sécu,n° sécu,numéro insee,carte vitale",
        sure=r"[12]~\d\d~\d\d~(?:\d\d|2[AB])~\d{3}~\d{3}~\d\d",
    ),
    _rule("FR", "a French tax number", r"[0-3]\d~\d\d~\d{3}~\d{3}~\d{3}", "fr.nif", "spi,numéro fiscal,numero fiscal"),
    _rule("ES", "a Spanish identity number", r"\d{8}[- ]?[A-Z]", "es.dni", "dni,nif,documento nacional,d.n.i."),
    _rule("ES", "a Spanish identity number", r"[XYZ][- ]?\d{7}[- ]?[A-Z]", "es.nie", "nie,nif,extranjero,extranjeros"),
    _rule(
        "IT",
        "an Italian tax code",
        r"[A-Z]{6}[0-9LMNP-V]{2}[A-EHLMPRST][0-9LMNP-V]{2}[A-Z][0-9LMNP-V]{3}[A-Z]",
        "it.codicefiscale",
        "codice fiscale,cod. fisc.,cf",
        sure=r"[A-Z]{6}[0-9LMNP-V]{2}[A-EHLMPRST][0-9LMNP-V]{2}[A-Z][0-9LMNP-V]{3}[A-Z]",
    ),
    _rule(
        "NL",
        "a Dutch citizen number",
        r"\d{9}(?!\d)|\d{4}~\d\d~\d{3}|\d{3}~\d{3}~\d{3}",
        "nl.bsn",
        "bsn,burgerservicenummer,sofinummer,sofi-nummer,sofi",
    ),
    _rule(
        "BE",
        "a Belgian national number",
        r"\d\d~\d\d~\d\d~\d{3}~\d\d",
        "be.nn",
        "rijksregisternummer,rijksregister,insz,niss,numéro national,registre national,rrn,nationalregister",
        sure=r"\d\d\.\d\d\.\d\d-\d{3}\.\d\d",
    ),
    _rule("PL", "a Polish personal number", r"\d{11}", "pl.pesel", "pesel,numer pesel,nr pesel"),
    _rule(
        "SE",
        "a Swedish personal number",
        r"(?:\d\d)?\d{6}[-+]?\d{4}",
        "se.personnummer",
        "personnummer,personnr,pnr,personal identity number,samordningsnummer",
    ),
    _rule(
        "NO",
        "a Norwegian birth number",
        r"\d{6}[ -]?\d{5}",
        "no.fodselsnummer",
        "fødselsnummer,fodselsnummer,fnr,personnummer,d-nummer,fødselsnr",
    ),
    _rule("DK", "a Danish personal number", r"\d{6}[- ]?\d{4}", "dk.cpr", "cpr,cpr-nummer,cpr-nr,cpr nr,personnummer"),
    _rule(
        "FI",
        "a Finnish personal code",
        r"\d{6}[-+A-FU-Y]\d{3}[0-9A-Y]",
        "fi.hetu",
        "hetu,henkilötunnus,henkilotunnus,personbeteckning,sotu",
        sure=r"\d{6}[-+A-FU-Y]\d{3}[0-9A-FHJ-NPR-Y]",
    ),
    _rule(
        "CH",
        "a Swiss insurance number",
        r"756~\d{4}~\d{4}~\d\d",
        "ch.ssn",
        "ahv,avs,ahv-nummer,ahv-nr,ahvn13,sozialversicherungsnummer,numéro avs,navs13,oasi",
        sure=r"756\.\d{4}\.\d{4}\.\d\d",
    ),
    _rule(
        "AT",
        "an Austrian insurance number",
        r"\d{4}[ -]?\d{6}",
        "at.vnr",
        "svnr,sv-nr,sv-nummer,sozialversicherungsnummer,versicherungsnummer,svn",
    ),
    _rule(
        "PT",
        "a Portuguese identity number",
        r"\d{8} ?\d ?[A-Z0-9]{2}\d",
        "pt.cc",
        "cartão de cidadão,cartao de cidadao,cartão,cartao,cc,bilhete de identidade,número de identificação",
        sure=r"\d{8} \d [A-Z]{2}\d",
    ),
    _rule(
        "CZ",
        "a Czech birth number",
        r"\d{6}/?\d{3,4}",
        "cz.rc",
        "rodné číslo,rodne cislo,rodné čislo,rč,rodného čísla,r.č.",
    ),
    _rule("SK", "a Slovak birth number", r"\d{6}/?\d{3,4}", "sk.rc", "rodné číslo,rodne cislo,rodného čísla"),
    _rule("RO", "a Romanian personal code", r"\d{13}", "ro.cnp", "cnp,cod numeric personal"),
    _rule(
        "IE", "an Irish service number", r"\d{7}[A-W][A-IW]?", "ie.pps", "pps,ppsn,pps number,personal public service"
    ),
    _rule(
        "BR",
        "a Brazilian taxpayer number",
        r"\d{3}~\d{3}~\d{3}~\d\d",
        "br.cpf",
        "cpf,cadastro de pessoas físicas,c.p.f.",
        sure=r"\d{3}\.\d{3}\.\d{3}-\d\d",
        refused=_ALIKE,
    ),
    _rule(
        "IN",
        "an Indian Aadhaar number",
        r"[2-9]\d{3}[ -]?\d{4}[ -]?\d{4}",
        "in_.aadhaar",
        "aadhaar,aadhar,adhaar,uid,uidai,आधार",
    ),
    _rule("IN", "an Indian tax number", r"[A-Z]{3}[ABCFGHLJPTK][A-Z]\d{4}[A-Z]", "in_.pan", "pan,pan card,pan number"),
    _rule(
        "CN",
        "a Chinese resident number",
        r"\d{17}[\dX]",
        "cn.ric",
        "resident identity,resident id,身份证,身份证号,居民身份证,身份证号码",
        sure=r"\d{17}[\dX]",
    ),
    _rule(
        "ZA",
        "a South African identity number",
        r"\d{6} ?\d{4} ?\d ?\d\d|\d{6} ?\d{4} ?\d{3}",
        "za.idnr",
        "south african id,sa id,rsa id,id number,id no,identity number,identiteitsnommer,za id",
    ),
    _rule(
        "CA",
        "a Canadian insurance number",
        r"\d{3}[- ]?\d{3}[- ]?\d{3}",
        "ca.sin",
        "sin,sin number,social insurance,social insurance number,assurance sociale,numéro d'assurance sociale",
        refused=r"0",
    ),
    _rule(
        "AU",
        "an Australian tax number",
        r"\d{3}[- ]?\d{3}[- ]?\d{3}|\d{3}[- ]?\d{3}[- ]?\d\d",
        "au.tfn",
        "tfn,tax file number,tax file,tax file no",
    ),
    _rule(
        "MX",
        "a Mexican population code",
        r"[A-Z]{4}\d{6}[HMX][A-Z]{5}[0-9A-Z]\d",
        "mx.curp",
        "curp,clave única,clave unica",
        sure=r"[A-Z]{4}\d{6}[HMX][A-Z]{5}[0-9A-Z]\d",
    ),
    _rule(
        "KR",
        "a Korean resident number",
        r"\d{6}[- ]?\d{7}",
        "kr.rrn",
        "rrn,주민등록번호,주민번호",
    ),
    _rule(
        "TR",
        "a Turkish identity number",
        r"[1-9]\d{10}",
        "tr.tckimlik",
        "tc kimlik,t.c. kimlik,tckn,tc no,kimlik no,kimlik numarası,tc,tr id,vatandaşlık",  # noqa: RUF001  # Turkish
    ),
    _rule(
        "IL",
        "an Israeli identity number",
        r"\d{7,8}-?\d",
        "il.idnr",
        "teudat zehut,tz,mispar zehut,israeli id,il id,תעודת זהות,ת.ז.,מספר זהות",
    ),
    _rule("BG", "a Bulgarian personal number", r"\d{10}", "bg.egn", "egn,егн"),
    _rule("EE", "an Estonian personal code", r"\d{11}", "ee.ik", "isikukood,isikukoodi"),
    _rule("LT", "a Lithuanian personal code", r"\d{11}", "lt.asmens", "asmens kodas,asmens kodo"),
    _rule("GR", "a Greek insurance number", r"\d{11}", "gr.amka", "amka,αμκα,α.μ.κ.α."),  # noqa: RUF001  # Greek
    _rule("HR", "a Croatian personal number", r"\d{11}", "hr.oib", "oib,osobni identifikacijski broj"),
)
COUNTRIES = frozenset(rule.country for rule in RULES)
"""The countries whose numbers are known."""
