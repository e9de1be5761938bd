//! temporary
use rekindle_kernels::*;
use std::time::Instant;
fn main(){
    let best=|f:&mut dyn FnMut()|{let mut b=f64::MAX; for _ in 0..60 {let t=Instant::now(); for _ in 0..20 {f();} b=b.min(t.elapsed().as_secs_f64()/20.);} b};
    let mut s=0.;
    let d=vec![0.5f32;1<<20];
    for level in Level::available().into_iter().skip(1) { let n=20000; let mut fl=0.; let t=best(&mut||{let r=multiply_adds(level,n);fl=r.0;s+=r.1;}); let pk=fl/t/1e9; println!("peak {pk:.0} {s}");
    for (name,m,r,k,c,at,bt,sum,shared,base) in [
      ("lin shared 250x40x40",25,10,40,40,false,false,false,true,1),("lin per task 25x10x40x40",25,10,40,40,false,false,false,false,1),
      ("xg shared",25,10,40,40,false,true,false,true,0),("xg per task",25,10,40,40,false,true,false,false,0),
      ("wg step",25,40,10,40,true,false,false,false,2),("wg sum",25,40,10,40,true,false,true,false,0),("wg",25,40,10,40,true,false,false,false,0),
      ("lin in=1",25,10,1,40,false,false,false,false,1),("lin out=1",25,10,40,1,false,false,false,false,1),("wg out=1",25,40,10,1,true,false,false,false,0),("wg in=1",25,1,10,40,true,false,false,false,0),
      ("64x64",1,250,64,64,false,false,false,true,0), ("256x768",1,250,256,768,false,false,false,true,1),("wg 256x768",1,256,250,768,true,false,false,true,0)] {
      let a=Operand{data:&d,task:r*k,row:if at{1}else{k},col:if at{r}else{1}};
      let b=Operand{data:&d,task:if shared{0}else{k*c},row:if bt{1}else{c},col:if bt{k}else{1}};
      let bs=match base{0=>None,1=>Some(Base{data:&d,task:if shared{0}else{c},row:0}),_=>Some(Base{data:&d,task:r*c,row:c})};
      let p=Product{tasks:m,rows:r,inner:k,cols:c,a,b,base:bs,alpha:0.5,after:After::Keep,sum};
      let mut out=Vec::with_capacity(1<<20);
      let t=best(&mut||{out.clear(); product(level,&p,&mut out).unwrap();});
      println!("{:8} {name:28} {:7.2} us {:6.1} GFLOP/s {:.2}",level.name(),t*1e6,2.*(m*r*k*c) as f64/t/1e9,2.*(m*r*k*c) as f64/t/1e9/pk);
    }}
}
