package main

import (
	"context"
	"fmt"
	"strings"
)

// shop is the database of the demo.
const shop = "shop"

// Sizes of the tables before any change: 240,000 rows.
const (
	customers = 20_000
	products  = 5_000
	orders    = 65_000
	items     = 150_000
)

// column is compared by the text of the expression in MySQL and the text of the value in Iceberg.
type column struct {
	name, expr string // expr: "" is the column itself, cast to text
}

// table is one of the shop's. The first columns are its key.
type table struct {
	name    string
	ddl     string
	key     int
	columns []column
}

func micros(name string) column {
	return column{name, "CAST(CAST(" + name + " AS DATETIME(6)) AS CHAR)"}
}

var tables = []table{
	{"customers", `CREATE TABLE customers (
		id BIGINT NOT NULL PRIMARY KEY,
		name VARCHAR(80) NOT NULL,
		email VARCHAR(120),
		balance DECIMAL(12,2) NOT NULL DEFAULT 0,
		tier ENUM('bronze','silver','gold') NOT NULL DEFAULT 'bronze',
		born DATE,
		active TINYINT NOT NULL DEFAULT 1,
		created DATETIME(6) NOT NULL,
		updated TIMESTAMP(6) NOT NULL)`, 1,
		[]column{{"id", ""}, {"name", ""}, {"email", ""}, {"balance", ""}, {"tier", ""}, {"born", ""}, {"active", ""}, micros("created"), micros("updated")}},
	{"products", `CREATE TABLE products (
		sku VARCHAR(24) NOT NULL PRIMARY KEY,
		title VARCHAR(120) NOT NULL,
		description TEXT,
		price DECIMAL(10,2) NOT NULL,
		stock INT UNSIGNED NOT NULL,
		weight DOUBLE)`, 1,
		[]column{{"sku", ""}, {"title", ""}, {"description", ""}, {"price", ""}, {"stock", ""}, {"weight", ""}}},
	{"orders", `CREATE TABLE orders (
		id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
		customer_id BIGINT NOT NULL,
		status ENUM('new','paid','shipped','returned') NOT NULL,
		total DECIMAL(14,2) NOT NULL,
		note VARCHAR(200),
		placed DATETIME(6) NOT NULL,
		KEY (customer_id))`, 1,
		[]column{{"id", ""}, {"customer_id", ""}, {"status", ""}, {"total", ""}, {"note", ""}, micros("placed")}},
	{"order_items", `CREATE TABLE order_items (
		order_id BIGINT UNSIGNED NOT NULL,
		line SMALLINT NOT NULL,
		sku VARCHAR(24) NOT NULL,
		quantity INT NOT NULL,
		price DECIMAL(10,2) NOT NULL,
		PRIMARY KEY (order_id, line))`, 2,
		[]column{{"order_id", ""}, {"line", ""}, {"sku", ""}, {"quantity", ""}, {"price", ""}}},
}

// fill holds the statements that make the first rows; n counts from 1.
var fill = []struct {
	rows int
	sql  string
}{
	{customers, `INSERT INTO customers SELECT n, CONCAT('Customer ', n, ELT(1 + n % 5, ' Ångström', ' 山田', ' Müller', ' 🚲', '')),
		IF(n % 7 = 0, NULL, CONCAT('c', n, '@example.com')), n % 9000 + (n % 100) / 100, ELT(1 + n % 3, 'bronze', 'silver', 'gold'),
		IF(n % 11 = 0, NULL, DATE '1950-01-01' + INTERVAL n DAY), n % 2, TIMESTAMP '2024-01-01 00:00:00' + INTERVAL n * 977 MICROSECOND + INTERVAL n MINUTE,
		TIMESTAMP '2024-06-01 00:00:00' + INTERVAL n SECOND FROM numbers WHERE n <= {rows}`},
	{products, `INSERT INTO products SELECT CONCAT('SKU-', LPAD(n, 6, '0')), CONCAT('Product ', n), IF(n % 3 = 0, NULL, REPEAT(CONCAT('text of ', n, '. '), 1 + n % 9)),
		n % 500 + 0.99, n % 1000, IF(n % 4 = 0, NULL, n / 7) FROM numbers WHERE n <= {rows}`},
	{orders, `INSERT INTO orders SELECT n, 1 + (n * 7919) % 20000, ELT(1 + n % 4, 'new', 'paid', 'shipped', 'returned'), n % 2000 + 0.5,
		IF(n % 5 = 0, CONCAT('note ', n), NULL), TIMESTAMP '2025-01-01 00:00:00' + INTERVAL n * 31 SECOND FROM numbers WHERE n <= {rows}`},
	{items, `INSERT INTO order_items SELECT 1 + (n - 1) DIV 3, 1 + (n - 1) % 3, CONCAT('SKU-', LPAD(1 + (n * 31) % 5000, 6, '0')), 1 + n % 9, n % 500 + 0.99
		FROM numbers WHERE n <= {rows}`},
}

// createShop creates the tables and their first rows.
func (d *demo) createShop(ctx context.Context) error {
	if rows, err := d.mysql.Query(ctx, "SHOW DATABASES LIKE '"+shop+"'"); err != nil {
		return err
	} else if len(rows) > 0 {
		return fmt.Errorf("the server has a database %s already; the demo would replace it", shop)
	}
	d.ends = append(d.ends, func() error { return d.mysql.Exec(context.WithoutCancel(ctx), "DROP DATABASE IF EXISTS "+shop) })
	stmts := []string{"CREATE DATABASE " + shop + " CHARACTER SET utf8mb4", "USE " + shop, "SET time_zone = '+00:00'", "CREATE TEMPORARY TABLE digits (d INT PRIMARY KEY)",
		"INSERT INTO digits VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)",
		// Temporary tables can be named once a statement, so the numbers grow tenfold step by step.
		"CREATE TEMPORARY TABLE numbers (n INT PRIMARY KEY)", "INSERT INTO numbers SELECT d + 1 FROM digits"}
	for have := 10; have < items; have *= 10 {
		stmts = append(stmts, fmt.Sprintf("CREATE TEMPORARY TABLE more SELECT n + %d * d AS n FROM numbers, digits WHERE d > 0 AND n + %d * d <= %d", have, have, items),
			"INSERT INTO numbers SELECT n FROM more", "DROP TEMPORARY TABLE more")
	}
	for i, t := range tables {
		sql := strings.Replace(fill[i].sql, "{rows}", fmt.Sprint(fill[i].rows), 1)
		stmts = append(stmts, t.ddl, sql)
	}
	if err := d.mysql.Exec(ctx, stmts...); err != nil {
		return err
	}
	d.say("created the database %s: %d customers, %d products, %d orders, %d order items", shop, customers, products, orders, items)
	return nil
}
