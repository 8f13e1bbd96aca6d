-- Where people come from and what they are called. Temporary: gone when the filling is done.
CREATE FUNCTION pg_temp.pick(row_number bigint, salt integer, choices integer) RETURNS integer
    IMMUTABLE LANGUAGE sql
    AS $$ SELECT ((hashint8extended(row_number, salt) & 2147483647) % choices)::integer $$;

-- Who teaches a course, by HR's number: the first is its lecturer. Whatever system asks, it is told the same.
CREATE FUNCTION pg_temp.teacher(course bigint, place integer) RETURNS integer
    STABLE LANGUAGE sql
    AS $$ SELECT 1 + pg_temp.pick(course * 31 + place, 1, current_setting('university.employees')::integer) $$;

CREATE TEMP TABLE origin (
    id integer PRIMARY KEY,
    country char(2) NOT NULL,
    zone text NOT NULL,
    language text NOT NULL,
    given text[] NOT NULL,
    given_plain text[] NOT NULL,
    family text[] NOT NULL,
    family_plain text[] NOT NULL
);

INSERT INTO origin VALUES
(0, 'ES', 'Europe/Madrid', 'es',
 '{María,José,Lucía,Íñigo,Begoña,Andrés,Núria,Jordi}', '{maria,jose,lucia,inigo,begona,andres,nuria,jordi}',
 '{García López,Fernández,de la Cruz,Muñoz,Ibáñez,Peña,Etxeberria,Güell}', '{garcia,fernandez,delacruz,munoz,ibanez,pena,etxeberria,guell}'),
(1, 'MX', 'America/Mexico_City', 'es',
 '{Ximena,Guadalupe,Ángel,Renata,Óscar,Itzel,Héctor,Valeria}', '{ximena,guadalupe,angel,renata,oscar,itzel,hector,valeria}',
 '{Hernández,Martínez Ruiz,Ramírez,Xólotl,Zúñiga,Tlatoani,Nuñez,Ávila}', '{hernandez,martinez,ramirez,xolotl,zuniga,tlatoani,nunez,avila}'),
(2, 'GB', 'Europe/London', 'en',
 '{Olivia,George,Siobhán,Rhys,Aoife,Callum,Zoë,Noah}', '{olivia,george,siobhan,rhys,aoife,callum,zoe,noah}',
 '{Smith,O''Brien,Llewellyn-Jones,MacDonald,"Null",Featherstonehaugh,Ó Súilleabháin,Patel}', '{smith,obrien,llewellyn,macdonald,"null",fanshaw,osullivan,patel}'),
(3, 'DE', 'Europe/Berlin', 'de',
 '{Jürgen,Anneliese,Björn,Käthe,Maximilian,Sören,Ute,Lena}', '{juergen,anneliese,bjoern,kaethe,maximilian,soeren,ute,lena}',
 '{Müller,Weiß,Schröder,von der Leyen,Groß,Böhm,Strauß,Köhler}', '{mueller,weiss,schroeder,vonderleyen,gross,boehm,strauss,koehler}'),
(4, 'FR', 'Europe/Paris', 'fr',
 '{Chloé,François,Anaïs,Noël,Hélène,Jean-Luc,Éloïse,Gaël}', '{chloe,francois,anais,noel,helene,jeanluc,eloise,gael}',
 '{Lefèvre,d''Aubigné,Çelik,Bœuf,Saint-Exupéry,L''Hôpital,Garçon,Benoît}', '{lefevre,daubigne,celik,boeuf,saintexupery,lhopital,garcon,benoit}'),
(5, 'PL', 'Europe/Warsaw', 'pl',
 '{Łukasz,Małgorzata,Święto,Zbigniew,Agnieszka,Paweł,Żaneta,Jędrzej}', '{lukasz,malgorzata,swieto,zbigniew,agnieszka,pawel,zaneta,jedrzej}',
 '{Wiśniewski,Dąbrowska,Żółtowski,Brzęczyszczykiewicz,Łuczak,Ślązak,Kość,Ćwik}', '{wisniewski,dabrowska,zoltowski,brzeczyszczykiewicz,luczak,slazak,kosc,cwik}'),
(6, 'GR', 'Europe/Athens', 'el',
 '{Γιώργος,Ελένη,Ὀδυσσεύς,Κωνσταντίνος,Σοφία,Νίκος,Ίρις,Αθηνά}', '{giorgos,eleni,odysseas,konstantinos,sofia,nikos,iris,athina}',
 '{Παπαδόπουλος,Ιωάννου,Αγγελόπουλος,Χατζηδάκης,Ξενάκης,Ψαρρού,Οικονόμου,Δήμας}', '{papadopoulos,ioannou,angelopoulos,hatzidakis,xenakis,psarrou,oikonomou,dimas}'),
(7, 'UA', 'Europe/Kyiv', 'uk',
 '{Олександр,Юлія,Ігор,Наталія,Єва,Тарас,Олена,Ґалаґан}', '{oleksandr,yuliia,ihor,nataliia,yeva,taras,olena,galagan}',
 '{Шевченко,Ковальчук,Щербаненко,Ющенко,Їжакевич,Бондар,Мельник,Кравець}', '{shevchenko,kovalchuk,shcherbanenko,yushchenko,yizhakevych,bondar,melnyk,kravets}'),
(8, 'TR', 'Europe/Istanbul', 'tr',
 '{İbrahim,Ayşe,Çağla,Işıl,Ömer,Gül,Şule,Yiğit}', '{ibrahim,ayse,cagla,isil,omer,gul,sule,yigit}',
 '{Yılmaz,Öztürk,Şahin,Çiçek,Işık,Güneş,Doğan,Ağaoğlu}', '{yilmaz,ozturk,sahin,cicek,isik,gunes,dogan,agaoglu}'),
(9, 'EG', 'Africa/Cairo', 'ar',
 '{محمد,فاطمة,أحمد,ليلى,عمر,نور,يوسف,مريم}', '{mohamed,fatima,ahmed,layla,omar,nour,youssef,mariam}',
 '{عبد الرحمن,المصري,حسن,القاضي,إبراهيم,السيد,شريف,بطوطة}', '{abdelrahman,elmasry,hassan,elkady,ibrahim,elsayed,sherif,battuta}'),
(10, 'IL', 'Asia/Jerusalem', 'he',
 '{נועה,אורי,שרה,יעקב,תמר,איתן,רחל,דוד}', '{noa,uri,sara,yaakov,tamar,eitan,rachel,david}',
 '{כהן,לוי,מזרחי,פרץ,ביטון,אזולאי,בן־דוד,פרידמן}', '{cohen,levi,mizrahi,peretz,biton,azoulay,bendavid,friedman}'),
(11, 'CN', 'Asia/Shanghai', 'zh',
 '{伟,芳,秀英,敏,静,强,磊,𠮷}', '{wei,fang,xiuying,min,jing,qiang,lei,ji}',
 '{王,李,张,刘,陈,欧阳,司马,𪚥}', '{wang,li,zhang,liu,chen,ouyang,sima,zhe}'),
(12, 'JP', 'Asia/Tokyo', 'ja',
 '{さくら,太郎,ケイト,陽菜,健一,美咲,翔,葵}', '{sakura,taro,keito,hina,kenichi,misaki,sho,aoi}',
 '{佐藤,髙橋,渡邉,齋藤,山﨑,伊藤,中村,小林}', '{sato,takahashi,watanabe,saito,yamazaki,ito,nakamura,kobayashi}'),
(13, 'KR', 'Asia/Seoul', 'ko',
 '{민준,서연,지우,하은,도윤,서윤,예준,지호}', '{minjun,seoyeon,jiwoo,haeun,doyun,seoyun,yejun,jiho}',
 '{김,이,박,최,정,강,조,남궁}', '{kim,lee,park,choi,jung,kang,cho,namgung}'),
(14, 'IN', 'Asia/Kolkata', 'hi',
 '{आरव,अनन्या,विवान,दिया,கார்த்திக்,তাহমিনা,ఆదిత్య,ਗੁਰਪ੍ਰੀਤ}', '{aarav,ananya,vivaan,diya,karthik,tahmina,aditya,gurpreet}',
 '{शर्मा,सिंह,पटेल,अय्यर,முருகன்,চৌধুরী,రెడ్డి,ਕੌਰ}', '{sharma,singh,patel,iyer,murugan,chowdhury,reddy,kaur}'),
(15, 'VN', 'Asia/Ho_Chi_Minh', 'vi',
 '{Đức,Thị Hương,Quốc,Ngọc Ánh,Tuấn,Phương,Thảo,Bảo}', '{duc,huong,quoc,ngocanh,tuan,phuong,thao,bao}',
 '{Nguyễn,Trần,Lê,Phạm,Hoàng,Võ,Đặng,Bùi}', '{nguyen,tran,le,pham,hoang,vo,dang,bui}'),
(16, 'NG', 'Africa/Lagos', 'yo',
 '{Adébáyọ̀,Ọláolúwa,Chidinma,Ṣadé,Ìfẹ́,Emeka,Zainab,Túndé}', '{adebayo,olaoluwa,chidinma,sade,ife,emeka,zainab,tunde}',
 '{Ọbáfẹ́mi,Okonkwo,Adéwálé,Nwáchukwu,Bello,Ṣóyínká,Ezé,Balógun}', '{obafemi,okonkwo,adewale,nwachukwu,bello,soyinka,eze,balogun}'),
(17, 'IS', 'Atlantic/Reykjavik', 'is',
 '{Guðrún,Þór,Ægir,Sigríður,Ólafur,Björk,Ísak,Æsa}', '{gudrun,thor,aegir,sigridur,olafur,bjork,isak,aesa}',
 '{Jónsdóttir,Þórðarson,Ægisdóttir,Sigurðsson,Ólafsdóttir,Guðmundsson,Helgadóttir,Ísaksson}', '{jonsdottir,thordarson,aegisdottir,sigurdsson,olafsdottir,gudmundsson,helgadottir,isaksson}'),
(18, 'BR', 'America/Sao_Paulo', 'pt',
 '{João,Conceição,Antônio,Luísa,Inês,Caetano,Flávia,Estêvão}', '{joao,conceicao,antonio,luisa,ines,caetano,flavia,estevao}',
 '{da Silva,dos Santos,Gonçalves,Magalhães,Araújo,Guimarães,Simões,Brandão}', '{dasilva,dossantos,goncalves,magalhaes,araujo,guimaraes,simoes,brandao}'),
(19, 'ID', 'Asia/Jakarta', 'id',
 '{Suharto,Dewi,Budi,Sari,Wayan,Putri,Agus,Megawati}', '{suharto,dewi,budi,sari,wayan,putri,agus,megawati}',
 '{Sukarnoputri,Wijaya,Santoso,Hidayat,Siregar,Nasution,Lubis,Tanuwijaya}', '{sukarnoputri,wijaya,santoso,hidayat,siregar,nasution,lubis,tanuwijaya}');
