# Where the shop is to run: its user, its folder, its unit, nginx before it. Run as root by `sh -eu` in this folder.
useradd --system --home-dir /srv/shop --shell /usr/sbin/nologin shop
install -d -o shop -g shop /srv/shop
install -m 644 shop.service /etc/systemd/system/shop.service
install -m 644 nginx.conf /etc/nginx/sites-available/shop
ln -s ../sites-available/shop /etc/nginx/sites-enabled/shop
systemctl daemon-reload
systemctl enable --quiet shop.service
systemctl start nginx.service
